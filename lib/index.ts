/**
 * The public API. Importing it loads no torch: `createRuntime` does that.
 */
export {
  type Composed,
  type ComposeRequest,
  type Config,
  chunksPerRollout,
  composeConfig,
  configToYaml,
  listRecipes,
  replayCapacity,
  resolveModelPath,
  sampleWindow,
  totalSteps,
  transitionsPerRollout,
} from './config/index.js';
export {
  type ChunkReward,
  chunkReward,
  type EnvironmentFailure,
  Environments,
  type EnvironmentsOptions,
  type EnvironmentsState,
  type EpisodeRecord,
  FAILURE,
  type Observation,
  type Reset,
  ResetList,
  ResetSchedule,
  type ResetSelection,
  type ResetSource,
  type StepResult,
  selectResets,
} from './envs/index.js';
export * from './errors.js';
export { createProgress, type Progress, type ProgressFormat } from './log/progress.js';
export {
  Agent,
  type AgentObservation,
  type BackendChunkResult,
  type BackendObservation,
  createRuntime,
  type DType,
  Learner,
  type LearnerSettings,
  type NetworkSizes,
  Replay,
  type ReplayRows,
  type Runtime,
  randomNormal,
  randomUniform,
  resizeFrames,
  TabletopBackend,
  Tensor,
  type UpdateRow,
  type VecEnvBackend,
} from './native/index.js';
export {
  FrozenPolicy,
  type PolicyContract,
  type PolicyObservation,
  recordPrompts,
} from './policy/index.js';
export * from './train/index.js';
