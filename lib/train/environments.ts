import { type Config, TRIALS_PER_TASK } from '../config/index.js';
import {
  Environments,
  type Film,
  RepeatedResets,
  ResetSchedule,
  type ResetSource,
  selectResets,
} from '../envs/index.js';
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

/** What LIBERO's users send while objects settle: no motion, the gripper opening. */
const LIBERO_NO_OPERATION = [0, 0, 0, 0, 0, 0, -1];

type Role = 'train' | 'eval';

/**
 * @param cameras those of the policy: only what is looked at is drawn
 * @throws EnvironmentSetupError ERR_DSRL_LIBERO_* where LIBERO's bundle, plugin or GL is missing
 */
export function createBackend(
  runtime: Runtime,
  config: Config,
  role: Role,
  numEnvs: number,
  cameras: readonly string[],
): VecEnvBackend {
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
  return new LiberoBackend(runtime, {
    numEnvs,
    seed,
    cameras,
    suite: env.task_suite_name ?? 'libero_spatial',
    imageSize: env.init_params.camera_heights,
    frameSize: frameSize(config, role, numEnvs),
    gl: env.gl,
    msaa: env.msaa,
    lod: env.lod !== 'off',
    allowMujocoDrift: env.allow_mujoco_drift,
  });
}

/** Environments of an evaluation's wave; more take memory and gain nothing. */
export function waveSize(config: Config): number {
  return config.env.eval.env_type === 'tabletop' ? 50 : 16;
}

/** The initial states that `env.<role>` selects. */
export function configuredResets(config: Config, role: Role, numTasks: number) {
  const env = config.env[role];
  return selectResets({
    numTasks,
    trialsPerTask: TRIALS_PER_TASK,
    trials: env.trials,
    taskIds: env.task_id_filter,
    specificResetId: env.specific_reset_id,
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
    warmUp:
      env.env_type === 'libero'
        ? { steps: env.warmup_steps, action: LIBERO_NO_OPERATION }
        : undefined,
  });
}

/** What the loop and the evaluation need of the frozen policy. */
export type SamplingPolicy = Pick<FrozenPolicy, 'sample' | 'metadata'>;
