import { availableParallelism } from 'node:os';
import { type Config, TRIALS_PER_TASK } from '../config/index.js';
import {
  Environments,
  type Film,
  LiberoPythonBackend,
  RepeatedResets,
  type Reset,
  ResetSchedule,
  type ResetSource,
  selectResets,
} from '../envs/index.js';
import { UsageError } from '../errors.js';
import {
  LiberoBackend,
  type Runtime,
  randomNormal,
  TabletopBackend,
  type VecEnvBackend,
} from '../native/index.js';
import type { FrozenPolicy } from '../policy/index.js';
import { frameSize } from './videos.js';

/** Side of the pictures that tabletop draws. */
const TABLETOP_PICTURE = 64;

type Role = 'train' | 'eval';

/** What a backend is to show, and who hears of it. */
export interface BackendWishes {
  /** Those of the policy: only what is looked at is drawn. */
  cameras: readonly string[];
  /** Told of what was mended and ends nothing; stderr unless given. */
  warn?: ((text: string) => void) | undefined;
}

/**
 * @returns whose `dispose`, if it has one, is the caller's to call
 * @throws EnvironmentSetupError ERR_DSRL_LIBERO_* where LIBERO's bundle, plugin or GL is missing
 */
export async function createBackend(
  runtime: Runtime,
  config: Config,
  role: Role,
  numEnvs: number,
  { cameras, warn }: BackendWishes,
): Promise<VecEnvBackend> {
  const env = config.env[role];
  const seed = BigInt(env.seed);
  if (env.env_type === 'tabletop') {
    return new TabletopBackend(runtime, {
      numEnvs,
      seed,
      cameras,
      imageSize: TABLETOP_PICTURE,
      frameSize: frameSize(config, role, numEnvs),
    });
  }
  const suite = env.task_suite_name === 'tabletop' ? undefined : env.task_suite_name;
  const size = env.init_params.camera_heights;
  if (env.env_type === 'libero-python') {
    return LiberoPythonBackend.start(runtime, {
      suite: suite ?? 'libero_spatial',
      numEnvs,
      seed: env.seed,
      pictureSize: size,
      warn,
    });
  }
  return new LiberoBackend(runtime, {
    numEnvs,
    seed,
    cameras,
    suite: suite ?? 'libero_spatial',
    imageSize: size,
    frameSize: frameSize(config, role, numEnvs),
    gl: env.gl,
    msaa: env.msaa,
    lod: env.lod !== 'off',
    allowMujocoDrift: env.allow_mujoco_drift,
  });
}

/**
 * Environments of an evaluation's wave; more take memory and gain nothing. One of libero-python is
 * a process of some 2 GB that keeps a core busy.
 */
export function waveSize(config: Config): number {
  const sizes = { tabletop: 50, libero: 16, 'libero-python': availableParallelism() };
  return sizes[config.env.eval.env_type];
}

/**
 * The initial states that `env.<role>` selects.
 *
 * @throws UsageError ERR_DSRL_ENV_INPUT for a task that there is not: of a suite that has to be
 *   opened for it, the configuration could not know
 */
export function configuredResets(config: Config, role: Role, numTasks: number): Reset[] {
  const env = config.env[role];
  const resets = selectResets({
    numTasks,
    trialsPerTask: TRIALS_PER_TASK,
    trials: env.trials,
    taskIds: env.task_id_filter,
    specificResetId: env.specific_reset_id,
  });
  const strange = resets.find(({ task }) => task >= numTasks);
  if (strange === undefined) return resets;
  const suite = env.task_suite_name ?? env.env_type;
  throw new UsageError('ERR_DSRL_ENV_INPUT', `${suite} has no task ${strange.task}`, {
    hint: `it has the tasks 0 to ${numTasks - 1}: see env.${role}.task_id_filter, specific_reset_id`,
  });
}

/** The order of training's resets, from the run's seed. */
export function trainingSchedule(runtime: Runtime, config: Config, numTasks: number): ResetSource {
  const seed = BigInt(config.seed);
  const schedule = new ResetSchedule(configuredResets(config, 'train', numTasks), (pass, count) => {
    const keys = randomNormal(runtime, seed, 'env.reset', pass, 1, count);
    const numbers = keys.read();
    keys.dispose();
    return numbers;
  });
  return new RepeatedResets(schedule, config.env.train.group_size);
}

export function createEnvironments(
  runtime: Runtime,
  config: Config,
  role: Role,
  backend: VecEnvBackend,
  schedule: ResetSource,
  film?: Film,
): Environments {
  const env = config.env[role];
  return new Environments({
    runtime,
    backend,
    schedule,
    chunk: config.actor.model.num_action_chunks,
    maxEpisodeSteps: env.max_episode_steps,
    // An evaluation counts every episode once: a finished environment waits.
    autoReset: role === 'train' && env.auto_reset,
    chunkReward: config.algorithm.chunk_reward,
    gamma: config.algorithm.gamma,
    frameSize: config.actor.model.openpi.dsrl_image_size,
    film,
    warmUpSteps: env.warmup_steps,
  });
}

/** What the loop and the evaluation need of the frozen policy. */
export type SamplingPolicy = Pick<FrozenPolicy, 'sample' | 'metadata'>;
