import { TASKS } from './schema/environment.js';
import type { Config, EnvironmentConfig } from './schema/root.js';

/** Global steps of a run: `max_epochs`, or `max_steps` if that is given and less. */
export function totalSteps({ runner }: Config): number {
  const { max_epochs, max_steps } = runner;
  return max_steps === -1 ? max_epochs : Math.min(max_epochs, max_steps);
}

/** Chunks of an environment in one rollout. */
export function chunksPerRollout({ env, actor }: Config): number {
  return env.train.max_steps_per_rollout_epoch / actor.model.num_action_chunks;
}

/** Transitions that one rollout of all environments adds at most. */
export function transitionsPerRollout(config: Config): number {
  return config.env.train.total_num_envs * chunksPerRollout(config);
}

/** Transitions that the replay holds: `cache_size` rollouts, capped by `capacity`. */
export function replayCapacity(config: Config): number {
  const { cache_size, capacity } = config.algorithm.replay_buffer;
  return Math.min(capacity, cache_size * transitionsPerRollout(config));
}

/** Newest transitions that batches are drawn from, at most all that the replay holds. */
export function sampleWindow(config: Config): number {
  const { sample_window_size } = config.algorithm.replay_buffer;
  return Math.min(replayCapacity(config), sample_window_size * transitionsPerRollout(config));
}

/**
 * How many different (task, trial) an environment's keys select; null: all tasks of a suite that
 * has to be opened for it.
 */
export function resetCount(env: EnvironmentConfig): number | null {
  if (env.specific_reset_id !== null) return 1;
  const tasks =
    env.task_id_filter === null ? TASKS[env.env_type] : new Set(env.task_id_filter).size;
  return tasks === null ? null : tasks * (env.trials[1] - env.trials[0]);
}

/**
 * Host bytes of a full replay: of each transition the frame (uint8; the next frame is another
 * transition's), two states, the noise, and eight numbers of bookkeeping.
 */
export function replayBytes(config: Config): number {
  const { dsrl_image_size, dsrl_state_dim, dsrl_action_noise_dim } = config.actor.model.openpi;
  const frame = 3 * dsrl_image_size ** 2;
  const numbers = 2 * dsrl_state_dim + dsrl_action_noise_dim + 8;
  return replayCapacity(config) * (frame + 4 * numbers);
}
