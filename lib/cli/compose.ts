import { existsSync, statSync } from 'node:fs';
import { type Composed, type ComposeRequest, composeConfig, listRecipes } from '../config/index.js';

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

export function isRecipe(word: string): boolean {
  return listRecipes().some(({ name }) => name === word);
}

export function isFolder(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}
