export { type Composed, type ComposeRequest, composeConfig } from './compose.js';
export { type ConfigDefinition, defineConfig } from './define.js';
export {
  chunksPerRollout,
  replayBytes,
  replayCapacity,
  resetCount,
  sampleWindow,
  totalSteps,
  transitionsPerRollout,
} from './derived.js';
export { type Difference, differences } from './differences.js';
export { configJsonSchema } from './json-schema.js';
export { resolveModelPath } from './model-path.js';
export { type EnvironmentType, TASKS, TRIALS_PER_TASK } from './schema/environment.js';
export type { Config, EnvironmentConfig } from './schema/root.js';
export { listRecipes, recipeText } from './sources.js';
export { configToYaml } from './to-yaml.js';
export { refuseUntrainable } from './untrainable.js';
