export { readContract } from './artefact.js';
export type { PolicyContract } from './contract.js';
export { FrozenPolicy, type PolicyNeeds, type PolicyObservation } from './policy.js';
export { recordPrompts } from './record-prompts.js';
