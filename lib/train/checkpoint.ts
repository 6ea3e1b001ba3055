import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import * as z from 'zod';
import { CheckpointError } from '../errors.js';
import { sync } from '../log/files.js';
import type { Learner, Replay } from '../native/index.js';

export const FORMAT = 'dsrl-native-checkpoint/1';

const count = z.int().min(0);

const counters = z.strictObject({
  /** Global steps completed. */
  globalSteps: count,
  /** Rollouts of all environments. */
  rollouts: count,
  /** Decisions: the step of every random stream of acting. */
  decisions: count,
  envSteps: count,
  /** Chunks over all environments. */
  chunks: count,
  updates: count,
  /** Seconds of rollouts and updates, over all resumptions. */
  trainSeconds: z.number().min(0),
});

const environments = z.strictObject({
  position: count,
  started: z.boolean(),
  slots: z.array(
    z.strictObject({
      task: count,
      trial: count,
      elapsed: count,
      return: z.number(),
      done: z.boolean(),
    }),
  ),
  backend: z.array(z.number()).nullable(),
});

/**
 * state.json. All randomness is a function of the seed and these counters, so there is no further
 * state of generators.
 */
const schema = z.strictObject({
  format: z.literal(FORMAT),
  seed: count,
  counters,
  environments,
  history: z.array(
    z.strictObject({
      envSteps: count,
      success: z.number().nullable(),
      evalSuccess: z.number().optional(),
    }),
  ),
  /** The resolved configuration, as YAML. */
  config: z.string(),
  /** The agent's frame: a resized picture of the policy's first camera, side in pixels. */
  frame: z.strictObject({ source: z.literal('first_camera'), size: count }),
  versions: z.record(z.string(), z.string()),
});

export type CheckpointState = z.output<typeof schema>;
export type Counters = z.output<typeof counters>;

const FILES = ['agent.safetensors', 'optimizer.safetensors', 'target.safetensors', 'state.json'];

/**
 * Writes `checkpoints/step_N` of a run: everything under a temporary name, synced, then renamed.
 * A crash at any moment leaves the older checkpoints whole and `last` pointing at one of them.
 *
 * @param keep complete checkpoints that stay
 * @returns the folder
 */
export async function writeCheckpoint(
  runDir: string,
  parts: { learner: Learner; replay: Replay; state: CheckpointState; keep: number },
): Promise<string> {
  const folder = join(runDir, 'checkpoints');
  const name = `step_${parts.state.counters.globalSteps}`;
  const target = join(folder, name);
  const temporary = join(folder, `.${name}.tmp`);
  const previous = stepsOf(folder)
    .filter((step) => step !== name)
    .at(-1);
  rmSync(temporary, { recursive: true, force: true });
  mkdirSync(join(temporary, 'replay'), { recursive: true });
  const { learner, replay, state } = parts;
  learner.saveAgent(join(temporary, 'agent.safetensors'));
  learner.saveOptimizer(join(temporary, 'optimizer.safetensors'));
  learner.saveTarget(join(temporary, 'target.safetensors'));
  await replay.save(
    join(temporary, 'replay'),
    previous === undefined ? undefined : join(folder, previous, 'replay'),
  );
  writeFileSync(join(temporary, 'state.json'), `${JSON.stringify(state, null, 1)}\n`);
  syncTree(temporary);

  rmSync(target, { recursive: true, force: true });
  renameSync(temporary, target);
  sync(folder);
  pointLast(folder, name);
  for (const old of stepsOf(folder).slice(0, -parts.keep)) {
    if (old !== name) rmSync(join(folder, old), { recursive: true, force: true });
  }
  return target;
}

/** `last` is a relative link, exchanged in one rename. */
function pointLast(folder: string, name: string): void {
  const temporary = join(folder, '.last.tmp');
  rmSync(temporary, { force: true });
  symlinkSync(name, temporary);
  renameSync(temporary, join(folder, 'last'));
  sync(folder);
}

/** Complete checkpoints in the order of their steps. */
function stepsOf(folder: string): string[] {
  const step = (name: string) => Number(name.slice('step_'.length));
  return readdirSync(folder)
    .filter((name) => /^step_\d+$/.test(name))
    .sort((a, b) => step(a) - step(b));
}

function syncTree(folder: string): void {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) syncTree(path);
    else sync(path);
  }
  sync(folder);
}

/**
 * The checkpoint folder that `path` means: a run (its last checkpoint), `checkpoints`,
 * `checkpoints/last`, or a `step_N`.
 *
 * @throws CheckpointError ERR_DSRL_CHECKPOINT_MISSING
 */
export function resolveCheckpoint(path: string): string {
  const folder = resolve(path);
  const candidates = [
    folder,
    ...[join(folder, 'checkpoints'), folder].flatMap((place) => [
      join(place, 'last'),
      ...newestIn(place),
    ]),
  ];
  const found = candidates.find((candidate) => existsSync(join(candidate, 'state.json')));
  if (found !== undefined) {
    return basename(found) === 'last' ? join(dirname(found), linkTarget(found)) : found;
  }
  throw new CheckpointError('ERR_DSRL_CHECKPOINT_MISSING', `there is no checkpoint in ${folder}`, {
    hint: 'name a run folder, its checkpoints/last, or a checkpoints/step_N',
  });
}

function newestIn(place: string): string[] {
  if (!existsSync(place) || !statSync(place).isDirectory()) return [];
  return stepsOf(place)
    .reverse()
    .map((name) => join(place, name));
}

/** The step_N behind `last`; found by its number, so that a copied tree without links works too. */
function linkTarget(last: string): string {
  const state = readCheckpointState(last);
  const name = `step_${state.counters.globalSteps}`;
  return existsSync(join(dirname(last), name)) ? name : basename(last);
}

/** The run that a checkpoint folder belongs to. */
export function runOf(checkpoint: string): string {
  return dirname(dirname(resolve(checkpoint)));
}

/**
 * Reads and checks state.json, and that the other files are there.
 *
 * @throws CheckpointError ERR_DSRL_CHECKPOINT_{MISSING, DAMAGED, FORMAT}
 */
export function readCheckpointState(checkpoint: string): CheckpointState {
  for (const file of [...FILES, 'replay']) {
    if (existsSync(join(checkpoint, file))) continue;
    throw new CheckpointError(
      'ERR_DSRL_CHECKPOINT_MISSING',
      `the checkpoint ${checkpoint} has no ${file}`,
      { hint: 'use another step_N of the same run' },
    );
  }
  const path = join(checkpoint, 'state.json');
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new CheckpointError('ERR_DSRL_CHECKPOINT_DAMAGED', `${path} is no JSON`, {
      hint: 'use another step_N of the same run',
      cause,
    });
  }
  const format = (json as { format?: unknown } | null)?.format;
  if (format !== FORMAT) {
    throw new CheckpointError(
      'ERR_DSRL_CHECKPOINT_FORMAT',
      `${path}: the format is ${JSON.stringify(format) ?? 'missing'}, expected "${FORMAT}"`,
      { hint: 'read it with the version of dsrl-native that wrote it' },
    );
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new CheckpointError(
    'ERR_DSRL_CHECKPOINT_DAMAGED',
    `${path}: ${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not valid'}`,
    { hint: 'use another step_N of the same run' },
  );
}
