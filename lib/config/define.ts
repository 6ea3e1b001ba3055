import { stringify } from 'yaml';
import type * as z from 'zod';
import { composeConfig } from './compose.js';
import type { Config, schema } from './schema/root.js';

/** `${a.b}` in place of a value, as in a file. */
type Interpolation = `\${${string}}`;

/** Every key may be left out, and what is there may be an interpolation. */
type Partly<T> = T extends readonly unknown[]
  ? T
  : T extends object
    ? { [Key in keyof T]?: Partly<T[Key]> | Interpolation }
    : T;

/**
 * A configuration as it is written in a program: a recipe, and RLinf's keys that differ from it.
 */
export type ConfigDefinition = Partly<z.input<typeof schema>> & {
  /**
   * A recipe of this package, or another YAML file beside the working folder; default: tabletop.
   */
  recipe?: string;
  /** Hydra overrides besides: `env@env.eval=tabletop`, `~a.b`. */
  overrides?: readonly string[];
};

/**
 * A typed configuration: editors complete its keys, and what comes out is checked as a file's is.
 *
 *     export default defineConfig({
 *       recipe: 'tabletop',
 *       seed: 3,
 *       algorithm: { gamma: 0.99, replay_buffer: { cache_size: 500 } },
 *     });
 *
 * @returns what `Trainer` takes; as the default export of a module, what `train -c` takes
 * @throws ConfigError (`ERR_DSRL_CONFIG_*`) that names all that is wrong
 */
export function defineConfig(definition: ConfigDefinition): Config {
  const { recipe = 'tabletop', overrides = [], ...keys } = definition;
  const yaml = stringify({ defaults: [recipe, '_self_'], ...keys }, { version: '1.1' });
  return composeConfig({ text: { name: 'defineConfig', yaml }, overrides }).config;
}
