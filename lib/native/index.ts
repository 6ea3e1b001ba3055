export type {
  Binding,
  DType,
  LearnerSettings,
  NetworkSizes,
  PictureRows,
  RawPolicySpec,
  UpdateRow,
} from './binding.js';
export {
  type BackendChunkResult,
  type BackendObservation,
  type ChunkOptions,
  type EnvironmentInterior,
  type ExpertStep,
  type NativeBackend,
  type RandomDraw,
  randomNormal,
  randomStream,
  randomUniform,
  resizeFrames,
  succeeded,
  TabletopBackend,
  type TabletopOptions,
  type VecEnvBackend,
} from './environments.js';
export {
  type ActOptions,
  Agent,
  type AgentObservation,
  Learner,
  Replay,
  type ReplayRows,
} from './learning.js';
export {
  LIBERO_SETTLING_ACTION,
  LiberoBackend,
  type LiberoBackendOptions,
  type LiberoFixtures,
} from './libero.js';
export { defaultLiberoBundle, type LiberoBundle, readLiberoBundle } from './libero-bundle.js';
export { liberoHome } from './libero-home.js';
export { LIBERO_SUITES, type LiberoSuite } from './libero-suites.js';
export { type AgentNoise, NativePolicy, type PolicyInputs, type PolicyNoise } from './policy.js';
export { createRuntime, exitAtOnce, type Runtime, type TensorMemory } from './runtime.js';
export { scope } from './scope.js';
export { readTensors, Tensor, type TypedArrayOf, writeTensors } from './tensor.js';
