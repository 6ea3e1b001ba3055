import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type Composed,
  type ComposeRequest,
  type Config,
  composeConfig,
  listRecipes,
} from '../config/index.js';
import { readCheckpointState } from '../train/index.js';

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

/** The configuration that a checkpoint was made with, overrides applied on top. */
export function configOfCheckpoint(checkpoint: string, overrides: readonly string[]): Config {
  const { config } = readCheckpointState(checkpoint);
  const folder = mkdtempSync(join(tmpdir(), 'dsrl-config-'));
  try {
    const file = join(folder, 'config.yaml');
    writeFileSync(file, config);
    // Not aloud: its notices were told when the run was new.
    return composeConfig({ file, overrides }).config;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export function isRecipe(word: string): boolean {
  return listRecipes().some(({ name }) => name === word);
}

export function isFolder(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}
