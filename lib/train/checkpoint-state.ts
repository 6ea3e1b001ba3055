import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { CheckpointError } from '../errors.js';

export const FORMAT = 'dsrl-native-checkpoint/1';

const count = z.int().min(0);
const seconds = z.number().min(0);

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
  trainSeconds: seconds,
});

/**
 * What the global step under way has done already. At the border of two global steps all of it is
 * 0 and empty; a run that was interrupted goes on from here in the midst of its step.
 */
const stepUnderWay = z.strictObject({
  /** Rollouts that are complete. */
  rollouts: count,
  /** Decisions of the rollout under way. */
  decisions: count,
  envSteps: count,
  chunks: count,
  /** Episodes that have ended. */
  episodes: z.array(
    z.strictObject({
      task: count,
      trial: count,
      success: z.boolean(),
      return: z.number(),
      length: count,
    }),
  ),
  /** Episodes that failed by the environment's fault, and those that were lost and begun again. */
  failures: z.strictObject({ failed: count, lost: count }),
  /** The metrics of each update. */
  updates: z.array(z.record(z.string(), z.number()).and(z.object({ update: count }))),
  seconds: z.strictObject({
    rollout: seconds,
    /** Of `rollout`: inside the environments, inside the policy. */
    environment: seconds,
    policy: seconds,
    learn: seconds,
  }),
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
  step: stepUnderWay,
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
  /** The frozen policy that acted, wherever its folder lies now. */
  policy: z.strictObject({ name: z.string(), sha256: z.string() }),
  /** The agent's frame: a resized picture of the policy's first camera, side in pixels. */
  frame: z.strictObject({ source: z.literal('first_camera'), size: count }),
  versions: z.record(z.string(), z.string()),
});

/** state.json of a checkpoint: counters, episodes under way, and the run's configuration. */
export type CheckpointState = z.output<typeof schema>;
export type Counters = z.output<typeof counters>;
export type StepUnderWay = z.output<typeof stepUnderWay>;

/** A global step that has not begun. */
export function freshStep(): StepUnderWay {
  return {
    rollouts: 0,
    decisions: 0,
    envSteps: 0,
    chunks: 0,
    episodes: [],
    failures: { failed: 0, lost: 0 },
    updates: [],
    seconds: { rollout: 0, environment: 0, policy: 0, learn: 0 },
  };
}

/** Whether a global step is under way: its checkpoint lies between two borders. */
export function hasBegun(step: StepUnderWay): boolean {
  return step.rollouts > 0 || step.decisions > 0;
}

const FILES = [
  'agent.safetensors',
  'optimizer.safetensors',
  'target.safetensors',
  'replay',
  'state.json',
];

/**
 * Reads and checks state.json, and that the other files are there.
 *
 * @throws CheckpointError ERR_DSRL_CHECKPOINT_{MISSING, DAMAGED, FORMAT}
 */
export function readCheckpointState(checkpoint: string): CheckpointState {
  const hint = 'use another step_N of the same run';
  for (const file of FILES) {
    if (existsSync(join(checkpoint, file))) continue;
    const message = `the checkpoint ${checkpoint} has no ${file}`;
    throw new CheckpointError('ERR_DSRL_CHECKPOINT_MISSING', message, { hint });
  }
  const path = join(checkpoint, 'state.json');
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    const message = `${path} is no JSON`;
    throw new CheckpointError('ERR_DSRL_CHECKPOINT_DAMAGED', message, { hint, cause });
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
    { hint },
  );
}
