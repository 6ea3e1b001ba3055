export {
  type ActionChunk,
  type InferBatchOptions,
  type InferOptions,
  type InferSyncOptions,
  Policy,
  type PolicyLoadOptions,
} from './api.js';
export { readContract } from './artefact.js';
export type { PolicyContract } from './contract.js';
export { type PolicyNeeds, refuseUnfit } from './fits.js';
export type { PolicyMetadata } from './metadata.js';
export type { Noise } from './noise.js';
export type { PolicyObservation } from './observation.js';
export type { Picture, SizedPicture } from './pictures.js';
export { FrozenPolicy } from './policy.js';
export { recordPrompts } from './record-prompts.js';
export type { RobotObservation } from './robot-observation.js';
export { type SteeringFile, writeSteering } from './steering.js';
export { checkTokenizerFile } from './tokenizer.js';
