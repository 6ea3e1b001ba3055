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
 * Bytes that a replay takes at most, and reserves at once (native/core/replay/replay.cc). A
 * transition's next observation is mostly the first one of the transition behind it, and is stored
 * once; where every episode is one chunk long none is. An observation is a frame (uint8) and a
 * state; the pending ones of each environment come to them. A transition has the noise and 53 bytes
 * of bookkeeping.
 */
export function replayBytes(config: Config): number {
  const { dsrl_image_size, dsrl_state_dim, dsrl_action_noise_dim } = config.actor.model.openpi;
  const observation = 3 * dsrl_image_size ** 2 + 4 * dsrl_state_dim;
  const capacity = replayCapacity(config);
  const observations = 2 * (capacity + config.env.train.total_num_envs);
  return observations * observation + capacity * (4 * dsrl_action_noise_dim + 53);
}
