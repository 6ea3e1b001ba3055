/** What a run's metrics say of an evaluation on the way. */
import { expect, test } from 'vitest';
import { successByTask } from '../../lib/train/evaluation.js';
import { evaluationTags } from '../../lib/train/metrics.js';

/** An evaluation whose episodes had these ends, in this order. */
function tags(episodes: { task: number; success: boolean }[]) {
  const means = { success: 0.5, low: 0.2, high: 0.8, return: -30, episode_len: 60, reward: -0.5 };
  const tasks = successByTask(episodes);
  return evaluationTags({ ...means, success_at_end: 0.5, episodes: episodes.length, tasks });
}

const ALL = {
  'eval/success_once': 0.5,
  'eval/success_at_end': 0.5,
  'eval/return': -30,
  'eval/episode_len': 60,
  'eval/reward': -0.5,
};

test('each task has its success beside that of all, by its own number', () => {
  const solved = { task: 8, success: true };
  const failed = { task: 2, success: false };
  expect(tags([solved, failed, solved, failed, solved, { task: 8, success: false }])).toEqual({
    ...ALL,
    'eval/num_trajectories': 6,
    'eval/success_once/task_2': 0,
    'eval/success_once/task_8': 0.75,
  });
});

test('one task alone is all', () => {
  const episodes = [true, false].map((success) => ({ task: 3, success }));
  expect(tags(episodes)).toEqual({ ...ALL, 'eval/num_trajectories': 2 });
});
