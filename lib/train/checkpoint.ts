import { existsSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { readdir, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { findCheckpoint, isLink, stepsOf } from '../checkpoint-folder.js';
import {
  CheckpointError,
  DsrlError,
  EnvironmentSetupError,
  reasonOf,
  UsageError,
} from '../errors.js';
import { makeFolder } from '../folder.js';
import { sync, syncBeside } from '../log/files.js';
import type { Learner, Replay } from '../native/index.js';
import { type SteeringFile, writeSteering } from '../policy/index.js';
import { type CheckpointState, hasBegun } from './checkpoint-state.js';

/**
 * The checkpoints of a run are folders in its `checkpoints/`:
 *
 * - `step_N`: after N global steps, by the schedule and at the end;
 * - `step_N.1`, `.2`, ...: after N global steps and a part of the next, when the run was stopped by
 *   a signal. They go when the next checkpoint is written;
 * - `last`: a link to the newest.
 *
 * Each is written under a temporary name, synced, then renamed: none is ever changed in place.
 */
export interface CheckpointParts {
  learner: Learner;
  replay: Replay;
  state: CheckpointState;
  /** Makes the folder a policy of its own: `Policy.load(checkpoint)`. */
  steering: SteeringFile;
  /** Complete checkpoints at borders of global steps that stay. */
  keep: number;
  /**
   * The checkpoint that this run has written last or went on from. Later ones in the folder are of
   * a line that was left by going back to this one: they are removed, and nothing of them is used.
   */
  previous: string | null;
}

/**
 * Writes a checkpoint. A crash at any moment leaves older ones whole and `last` pointing at one.
 *
 * @returns the folder
 * @throws EnvironmentSetupError ERR_DSRL_CHECKPOINT_WRITE, for a full disk above all
 */
export async function writeCheckpoint(runDir: string, parts: CheckpointParts): Promise<string> {
  const folder = join(runDir, 'checkpoints');
  try {
    return await write(folder, parts);
  } catch (cause) {
    if (cause instanceof DsrlError) throw cause;
    const reason = reasonOf(cause);
    throw new EnvironmentSetupError(
      'ERR_DSRL_CHECKPOINT_WRITE',
      `cannot write a checkpoint in ${folder}: ${reason}`,
      { hint: 'make room there, or make it writable; then go on with --resume', cause },
    );
  }
}

async function write(folder: string, parts: CheckpointParts): Promise<string> {
  const { learner, replay, state, steering, previous } = parts;
  for (const leftover of readdirSync(folder).filter((name) => /^\.step_.*\.tmp$/.test(name))) {
    await rm(join(folder, leftover), { recursive: true, force: true });
  }
  const name = nameOf(folder, state);
  const temporary = join(folder, `.${name}.tmp`);
  makeFolder(join(temporary, 'replay'));
  await learner.saveAgent(join(temporary, 'agent.safetensors'));
  await learner.saveOptimizer(join(temporary, 'optimizer.safetensors'));
  await learner.saveTarget(join(temporary, 'target.safetensors'));
  const before = previous === null ? undefined : join(previous, 'replay');
  await replay.save(join(temporary, 'replay'), before);
  await writeFile(join(temporary, 'state.json'), `${JSON.stringify(state, null, 1)}\n`);
  writeSteering(temporary, steering);
  await syncTree(temporary);

  // `last` points at `previous`, so it stays right whatever happens between these lines.
  if (previous !== null) await remove(folder, laterThan(folder, previous));
  renameSync(temporary, join(folder, name));
  await syncBeside(folder);
  pointLast(folder, name);
  await syncBeside(folder);
  await prune(folder, name, parts.keep);
  return join(folder, name);
}

/** Never the name of a checkpoint that is there and stays: a rename onto it would not be atomic. */
function nameOf(folder: string, { counters, step }: CheckpointState): string {
  const border = `step_${counters.globalSteps}`;
  if (!hasBegun(step)) return border;
  for (let part = 1; ; part++) {
    if (!existsSync(join(folder, `${border}.${part}`))) return `${border}.${part}`;
  }
}

/** Keeps the newest `keep` at borders, and of those between borders `newest` alone. */
async function prune(folder: string, newest: string, keep: number): Promise<void> {
  const names = stepsOf(folder);
  const between = names.filter((name) => name.includes('.') && name !== newest);
  const borders = names.filter((name) => !name.includes('.'));
  await remove(folder, [...between, ...borders.slice(0, -keep)]);
}

async function remove(folder: string, names: readonly string[]): Promise<void> {
  for (const name of names) await rm(join(folder, name), { recursive: true, force: true });
}

/** `last` is a relative link, exchanged in one rename; the folder is for the caller to sync. */
function pointLast(folder: string, name: string): void {
  const last = join(folder, 'last');
  const temporary = join(folder, '.last.tmp');
  rmSync(temporary, { force: true });
  symlinkSync(name, temporary);
  if (!isLink(last)) rmSync(last, { recursive: true, force: true }); // a copy's folder
  renameSync(temporary, last);
}

/**
 * A run goes on from `checkpoint`: `last` is this one from now on, so that whatever stops the run
 * before its next checkpoint, `--resume last` stays on the line that was chosen.
 *
 * @returns the names of later checkpoints; the next one that is written removes them
 */
export function adoptCheckpoint(checkpoint: string): string[] {
  const folder = dirname(checkpoint);
  const name = basename(checkpoint);
  if (name !== 'last') {
    pointLast(folder, name);
    sync(folder);
  }
  return laterThan(folder, checkpoint);
}

/** The checkpoints of `folder` that come after this one. */
function laterThan(folder: string, checkpoint: string): string[] {
  const names = stepsOf(folder);
  const place = names.indexOf(basename(checkpoint));
  return place === -1 ? [] : names.slice(place + 1);
}

async function syncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    await (entry.isDirectory() ? syncTree(path) : syncBeside(path));
  }
  await syncBeside(folder);
}

/**
 * The checkpoint folder that `path` means: a run (its last checkpoint), `checkpoints`,
 * `checkpoints/last`, or a `step_N`.
 *
 * @throws CheckpointError ERR_DSRL_CHECKPOINT_MISSING
 */
export function resolveCheckpoint(path: string): string {
  const found = findCheckpoint(path, 'state.json');
  if (found !== null) return found;
  const folder = resolve(path);
  throw new CheckpointError('ERR_DSRL_CHECKPOINT_MISSING', `there is no checkpoint in ${folder}`, {
    hint: 'name a run folder, its checkpoints/last, or a checkpoints/step_N',
  });
}

/**
 * The run that a checkpoint belongs to.
 *
 * @throws UsageError ERR_DSRL_NO_RUN for a checkpoint that lies somewhere else
 */
export function runOf(checkpoint: string): string {
  const folder = dirname(resolve(checkpoint));
  if (basename(folder) === 'checkpoints') return dirname(folder);
  throw new UsageError('ERR_DSRL_NO_RUN', `${checkpoint} lies in no run's checkpoints folder`, {
    hint: 'put it into <run>/checkpoints/, or start a new run with runner.ckpt_path=<checkpoint>',
  });
}
