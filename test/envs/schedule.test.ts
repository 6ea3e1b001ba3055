import { expect, test } from 'vitest';
import {
  chunkReward,
  RepeatedResets,
  ResetList,
  ResetSchedule,
  selectResets,
} from '../../lib/envs/index.js';

const ALL = {
  numTasks: 2,
  trialsPerTask: 50,
  trials: [0, 3],
  taskIds: null,
  specificResetId: null,
} as const;

test('evaluation order is interleaved over the tasks', () => {
  const ids = selectResets(ALL).map(({ task, trial }) => 50 * task + trial);
  expect(ids).toEqual([0, 50, 1, 51, 2, 52]);
});

test('a specific reset id is the only one', () => {
  expect(selectResets({ ...ALL, specificResetId: 57 })).toEqual([{ task: 1, trial: 7 }]);
});

test('every pass holds every pair once, and the position is the whole state', () => {
  const resets = selectResets(ALL);
  const draw = (pass: number, count: number) =>
    Array.from({ length: count }, (_, index) => Math.sin(12.9 * index + 78.2 * pass));
  const schedule = new ResetSchedule(resets, draw);
  const taken = Array.from({ length: 12 }, () => schedule.next());
  for (const pass of [taken.slice(0, 6), taken.slice(6)]) {
    expect(new Set(pass.map(({ task, trial }) => 50 * task + trial)).size).toBe(6);
  }
  expect(taken.slice(0, 6)).not.toEqual(taken.slice(6));
  const resumed = new ResetSchedule(resets, draw);
  resumed.position = 5;
  expect([resumed.next(), resumed.next()]).toEqual(taken.slice(5, 7));
});

test('a group of environments gets one reset, and the position is the whole state', () => {
  const list = () => new ResetList([0, 1, 2].map((trial) => ({ task: 0, trial })));
  const groups = new RepeatedResets(list(), 2);
  const taken = Array.from({ length: 7 }, () => groups.next()?.trial ?? null);
  expect(taken).toEqual([0, 0, 1, 1, 2, 2, null]);
  const resumed = new RepeatedResets(list(), 2);
  resumed.position = 3;
  expect([resumed.next()?.trial, resumed.next()?.trial]).toEqual([1, 2]);
});

test.each([
  ['per_chunk', 3, true, 0],
  ['per_chunk', 5, false, -1],
  ['first_step', 1, true, 0],
  ['first_step', 3, true, -1],
  ['discounted_sum', 3, true, -1.5],
  ['discounted_sum', 3, false, -1.75],
  ['discounted_sum', 1, true, 0],
] as const)('%s reward of %i steps, success %s', (kind, executed, success, reward) => {
  expect(chunkReward(kind, executed, success, 0.5)).toBeCloseTo(reward, 12);
});
