import type { EpisodeRecord } from '../envs/index.js';
import { DivergedError } from '../errors.js';
import type { UpdateRow } from '../native/index.js';
import type { EvaluationResult } from './evaluation.js';

/** The learner's names -> the run's tags (RLinf's). */
const TAGS: Readonly<Record<string, string>> = {
  critic_loss: 'train/sac/critic_loss',
  actor_loss: 'train/sac/actor_loss',
  alpha_loss: 'train/sac/alpha_loss',
  alpha: 'train/sac/alpha',
  critic_grad_norm: 'train/critic/grad_norm',
  q_data: 'train/critic/q_data',
  actor_grad_norm: 'train/actor/grad_norm',
  entropy: 'train/actor/entropy',
  q_pi: 'train/actor/q_pi',
  alpha_grad_norm: 'train/alpha/grad_norm',
};

/** Means over a global step's updates; `alpha` is its value after the last one. */
export function updateTags(rows: readonly UpdateRow[]): Record<string, number> {
  const sums = new Map<string, { sum: number; count: number }>();
  for (const row of rows) {
    for (const [name, value] of Object.entries(row)) {
      const entry = sums.get(name) ?? { sum: 0, count: 0 };
      sums.set(name, { sum: entry.sum + value, count: entry.count + 1 });
    }
  }
  const tags: Record<string, number> = {};
  for (const [name, { sum, count }] of sums) {
    const tag = name.startsWith('q_value_') ? `train/actor/${name}` : TAGS[name];
    if (tag !== undefined) tags[tag] = sum / count;
  }
  const alpha = rows.at(-1)?.alpha;
  if (alpha !== undefined) tags['train/sac/alpha'] = alpha;
  return tags;
}

/** Means over the episodes that ended in a global step; only their number where there are none. */
export function episodeTags(episodes: readonly EpisodeRecord[]): Record<string, number> {
  const count = episodes.length;
  if (count === 0) return { 'env/num_trajectories': 0 };
  const mean = (value: (episode: EpisodeRecord) => number) =>
    episodes.reduce((sum, episode) => sum + value(episode), 0) / count;
  return {
    'env/success_once': mean(({ success }) => Number(success)),
    'env/return': mean((episode) => episode.return),
    'env/episode_len': mean(({ length }) => length),
    'env/reward': mean((episode) => episode.return / episode.length),
    'env/num_trajectories': count,
  };
}

/** How many episodes the environments themselves broke off; no tag where none was. */
export function failureTags(failures: { failed: number; lost: number }): Record<string, number> {
  const tags: Record<string, number> = {};
  if (failures.failed > 0) tags['env/failed_episodes'] = failures.failed;
  if (failures.lost > 0) tags['env/lost_episodes'] = failures.lost;
  return tags;
}

/** Means over the episodes of an evaluation, and each task's success where there are several. */
export function evaluationTags(result: EvaluationResult): Record<string, number> {
  const { tasks } = result;
  const byTask = tasks.map(({ task, successes, episodes }) => [
    `eval/success_once/task_${task}`,
    successes / episodes,
  ]);
  return {
    'eval/success_once': result.success,
    'eval/success_at_end': result.success_at_end,
    'eval/return': result.return,
    'eval/episode_len': result.episode_len,
    'eval/reward': result.reward,
    'eval/num_trajectories': result.episodes,
    ...(tasks.length > 1 ? Object.fromEntries(byTask) : {}),
  };
}

/**
 * @throws DivergedError for an update whose metrics are not finite, or for weights that are not
 */
export function refuseDiverged(rows: readonly UpdateRow[], weightsFinite: boolean): void {
  const hint = 'lower the learning rates, actor.optim.lr and actor.critic_optim.lr';
  for (const row of rows) {
    const bad = Object.entries(row).find(([, value]) => !Number.isFinite(value));
    if (bad === undefined) continue;
    throw new DivergedError(`update ${row.update}: ${bad[0]} is ${bad[1]}`, { hint });
  }
  if (!weightsFinite) {
    throw new DivergedError('the weights are no longer finite', { hint });
  }
}
