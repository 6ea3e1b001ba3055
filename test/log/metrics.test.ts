import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { UsageError } from '../../lib/errors.js';
import { RunLog, type StepMetrics } from '../../lib/log/metrics.js';
import { temporaryFolder } from './support/folder.js';
import { readWithTensorBoard } from './support/tensorboard.js';

const metricsOf = (step: number, tags: Record<string, number>): StepMetrics => ({
  step,
  envSteps: 2560 * (step + 1),
  chunks: 512 * (step + 1),
  updates: 40 * (step + 1),
  seconds: 1.5 * (step + 1),
  tags,
});

const rowsIn = (folder: string) =>
  readFileSync(join(folder, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, number | null>);

test('a flush is made to its end, or not begun', async () => {
  const log = RunLog.open(temporaryFolder());
  await expect(log.flush({ signal: AbortSignal.abort('before') })).rejects.toBe('before');
  const controller = new AbortController();
  const flushing = log.flush(controller);
  controller.abort('meanwhile');
  await expect(flushing).rejects.toBe('meanwhile');
  await log.flush();
  log.close();
});

test('without TensorBoard there is metrics.jsonl alone', async () => {
  const folder = temporaryFolder();
  const log = RunLog.open(folder, { events: false });
  log.write(metricsOf(0, { 'env/success_once': 0.25 }));
  await log.flush();
  log.close();
  expect(rowsIn(folder)).toHaveLength(1);
  expect(readdirSync(folder)).toEqual(['metrics.jsonl']);
});

test('a step is one line of metrics.jsonl and one step of TensorBoard, with the same tags', () => {
  const folder = temporaryFolder();
  const log = RunLog.open(folder, { now: () => 1_700_000_000_500 });
  log.write(metricsOf(0, { 'env/success_once': 0.25 }));
  log.write(metricsOf(1, { 'env/success_once': 0.5, 'train/sac/alpha': 0.75 }));
  log.close();

  const axes = {
    'axis/env_steps': 5120,
    'axis/chunks': 1024,
    'axis/updates': 80,
    'axis/seconds': 3,
  };
  expect(rowsIn(folder)).toHaveLength(2);
  expect(rowsIn(folder)[1]).toEqual({
    step: 1,
    env_steps: 5120,
    chunks: 1024,
    updates: 80,
    seconds: 3,
    'env/success_once': 0.5,
    'train/sac/alpha': 0.75,
    ...axes,
  });

  expect(readdirSync(folder).sort()).toEqual(['metrics.jsonl', 'tensorboard']);
  const read = readWithTensorBoard(join(folder, 'tensorboard'));
  const last = Object.fromEntries(
    Object.entries(read).map(([tag, scalars]) => [tag, scalars.at(-1)]),
  );
  const expected = { 'env/success_once': 0.5, 'train/sac/alpha': 0.75, ...axes };
  expect(last).toEqual(
    Object.fromEntries(
      Object.entries(expected).map(([tag, value]) => [
        tag,
        { step: 1, wallTime: 1_700_000_000.5, value },
      ]),
    ),
  );
});

test('a resumed run writes its steps again in both logs, each once', () => {
  const folder = temporaryFolder();
  const first = RunLog.open(folder);
  for (let step = 0; step < 5; step++) first.write(metricsOf(step, { x: 1 }));
  first.close();
  const second = RunLog.open(folder, { resumeStep: 2 });
  for (let step = 2; step < 4; step++) second.write(metricsOf(step, { x: 2 }));
  second.close();

  expect(second.dropped).toBe(3);
  expect(rowsIn(folder).map((row) => [row.step, row.x])).toEqual([
    [0, 1],
    [1, 1],
    [2, 2],
    [3, 2],
  ]);
  const read = readWithTensorBoard(join(folder, 'tensorboard'));
  expect(read.x?.map(({ step, value }) => [step, value])).toEqual([
    [0, 1],
    [1, 1],
    [2, 2],
    [3, 2],
  ]);
});

test.each(['step', 'env_steps', 'axis/seconds'])(
  'a tag named %s is refused, nothing written',
  (tag) => {
    const folder = temporaryFolder();
    const log = RunLog.open(folder);
    expect(() => log.write(metricsOf(0, { [tag]: 1 }))).toThrow(UsageError);
    log.close();
    expect(readFileSync(join(folder, 'metrics.jsonl'), 'utf8')).toBe('');
  },
);
