/** What an environment means, once, above every backend. */
export {
  Environments,
  type EnvironmentsOptions,
  type EnvironmentsState,
  type EpisodeRecord,
  type StepResult,
} from './environments.js';
export { type EnvironmentFailure, FAILURE } from './failure.js';
export type { Film, Frame, Shot } from './film.js';
export {
  LiberoPythonBackend,
  type LiberoPythonOptions,
} from './libero-python.js';
export type { Observation } from './observation.js';
export { type ChunkReward, chunkReward } from './reward.js';
export type {
  RobotEnvironment,
  RobotFault,
  RobotFaultKind,
  RobotPicture,
  RobotReading,
  RobotStart,
  RobotStep,
} from './robot.js';
export { RobotBackend, type RobotBackendOptions } from './robot-backend.js';
export {
  RepeatedResets,
  type Reset,
  ResetList,
  ResetSchedule,
  type ResetSelection,
  type ResetSource,
  selectResets,
} from './schedule.js';
