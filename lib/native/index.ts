export type {
  Binding,
  DType,
  LearnerSettings,
  NetworkSizes,
  RawPolicySpec,
  UpdateRow,
} from './binding.js';
export {
  type BackendChunkResult,
  type BackendObservation,
  type ChunkOptions,
  type EnvironmentInterior,
  type NativeBackend,
  NativePolicy,
  type PolicyInputs,
  randomNormal,
  randomStream,
  resizeFrames,
  TabletopBackend,
  type VecEnvBackend,
} from './environments.js';
export { Agent, type AgentObservation, Learner, Replay, type ReplayRows } from './learning.js';
export {
  LIBERO_FAILURES,
  LiberoBackend,
  type LiberoBackendOptions,
  type LiberoFixtures,
} from './libero.js';
export { defaultLiberoBundle, type LiberoBundle, readLiberoBundle } from './libero-bundle.js';
export { createRuntime, type Runtime } from './runtime.js';
export { readTensors, Tensor, type TypedArrayOf, writeTensors } from './tensor.js';
