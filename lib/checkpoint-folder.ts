import { existsSync, lstatSync, readdirSync, readlinkSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { isFolder } from './folder.js';

/**
 * The checkpoint folder that `path` means: a run (its last checkpoint), its `checkpoints`,
 * `checkpoints/last`, or a `step_N`. What trains, evaluates and serves finds the same one.
 *
 * @param file what the checkpoint has to hold
 * @returns the absolute path, never a link that may point elsewhere later; null: there is none
 */
export function findCheckpoint(path: string, file: string): string | null {
  const folder = resolve(path);
  const candidates = [
    folder,
    ...[join(folder, 'checkpoints'), folder].flatMap((place) => {
      const last = join(place, 'last');
      // Copied without its links, a tree has no `last`, or one that is a copy like the others.
      return isLink(last) ? [last, ...newestIn(place)] : [...newestIn(place), last];
    }),
  ];
  const found = candidates.find((candidate) => existsSync(join(candidate, file)));
  if (found === undefined) return null;
  return isLink(found) ? resolve(found, '..', readlinkSync(found)) : found;
}

/** Complete checkpoints in the order of their steps. */
export function stepsOf(folder: string): string[] {
  return readdirSync(folder)
    .map((name) => ({ name, parts: /^step_(\d+)(?:\.(\d+))?$/.exec(name) }))
    .filter(({ parts }) => parts !== null)
    .map(({ name, parts }) => ({ name, step: Number(parts?.[1]), part: Number(parts?.[2] ?? 0) }))
    .sort((a, b) => a.step - b.step || a.part - b.part)
    .map(({ name }) => name);
}

function newestIn(place: string): string[] {
  if (!isFolder(place)) return [];
  return stepsOf(place)
    .reverse()
    .map((name) => join(place, name));
}

export function isLink(path: string): boolean {
  try {
    return lstatSync(path).isSymbolicLink();
  } catch {
    return false; // below a file, too, where `throwIfNoEntry: false` throws
  }
}
