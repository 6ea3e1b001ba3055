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
  randomNormal,
  randomStream,
  randomUniform,
  resizeFrames,
  TabletopBackend,
  type VecEnvBackend,
} from './environments.js';
export { Agent, type AgentObservation, Learner, Replay, type ReplayRows } from './learning.js';
export { liberoHome } from './libero-home.js';
export { NativePolicy, type PolicyInputs } from './policy.js';
export { createRuntime, exitAtOnce, type Runtime } from './runtime.js';
export { Tensor, type TypedArrayOf } from './tensor.js';
