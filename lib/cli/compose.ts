import { type Composed, type ComposeRequest, composeConfig, listRecipes } from '../config/index.js';
import { isConfigModule, readConfigModule } from './config-module.js';

export type ConfigSource = Pick<ComposeRequest, 'recipe' | 'file' | 'text'>;

/** `key=value`, `+key=value`, `~key`, `group@place=choice`: all of them but a recipe's name. */
export function isOverride(word: string): boolean {
  return word.startsWith('~') || /^\+{0,2}[\w.@/-]+=/.test(word);
}

/** Composes, and tells what the user should know. */
export function composeAloud(request: ComposeRequest): Composed {
  const composed = composeConfig(request);
  for (const notice of composed.notices) process.stderr.write(`note: ${notice}\n`);
  return composed;
}

/**
 * The configuration that a word of a command line names: a recipe, or by its ending a module or a
 * YAML file; null where it is none of them.
 *
 * @throws UsageError ERR_DSRL_CONFIG_MODULE
 */
export async function sourceOf(word: string): Promise<ConfigSource | null> {
  if (listRecipes().some(({ name }) => name === word)) return { recipe: word };
  return isConfigModule(word) || /\.ya?ml$/.test(word) ? fileSource(word) : null;
}

/** As `sourceOf`, of a word that stands where only a file may. */
export async function fileSource(file: string): Promise<ConfigSource> {
  return isConfigModule(file) ? { text: await readConfigModule(file) } : { file };
}
