import { existsSync } from 'node:fs';
import { join } from 'node:path';

/** The first of the names in the first of the folders that has one; null: none has. */
export function findFile(names: readonly string[], folders: readonly string[]): string | null {
  const files = folders.flatMap((folder) => names.map((name) => join(folder, name)));
  return files.find((file) => existsSync(file)) ?? null;
}
