/** The training loop, its evaluation, and what it leaves on disk. */
export { type BestOfResult, bestOf } from './best-of.js';
export { resolveCheckpoint, runOf } from './checkpoint.js';
export { type CheckpointState, readCheckpointState } from './checkpoint-state.js';
export {
  type EvaluationRequest,
  type EvaluationResult,
  evaluate,
  type NoiseKind,
  type TaskResult,
  wilson,
} from './evaluation.js';
export { type TrainRequest, type TrainSummary, train } from './loop.js';
export { checkpointConfig, compareWithCheckpoint, refuseOtherPolicy } from './resume.js';
export { chooseRunFolder } from './run-folder.js';
export { type HistoryPoint, loadAgent } from './session.js';
export { learnerSettings, networkSizes } from './settings.js';
export { Trainer, type TrainerEvent, type TrainerOptions } from './trainer.js';
export { type VideoRequest, videoFolder } from './videos.js';
