/** A run that a signal stops: where, what it leaves, and that going on ends in the same bits. */
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Tensor, TrainSummary } from '../../lib/index.js';
import {
  checkpoints,
  configured,
  ENVS,
  metrics,
  newFolder,
  snapshot,
  Tabletop,
  Told,
  tensors,
  training,
} from '../support/training.js';

const TWO_ROLLOUTS = ['env.train.rollout_epoch=2', 'runner.max_steps=2'];

/** Aborts after `chunks` chunks. */
class Cut extends Tabletop {
  readonly controller = new AbortController();

  constructor(readonly chunks: number) {
    super();
  }

  override async stepChunk(actions: Tensor, limit: Int32Array) {
    const result = await super.stepChunk(actions, limit);
    this.#done += 1;
    if (this.#done === this.chunks) this.controller.abort();
    return result;
  }
  #done = 0;
}

/** Aborts `delay` milliseconds after the run has begun a phase. */
function cutIn(phase: string, delay: number) {
  const controller = new AbortController();
  const told = new Told({
    phase(name) {
      if (name !== phase) return;
      if (delay === 0) controller.abort();
      else setTimeout(() => controller.abort(), delay);
    },
  });
  return { signal: controller.signal, progress: told.progress };
}

function state(checkpoint: string | null) {
  return JSON.parse(readFileSync(join(checkpoint as string, 'state.json'), 'utf8'));
}

describe.each(['True', 'False'])('with auto_reset %s', (autoReset) => {
  const config = configured(...TWO_ROLLOUTS, `env.train.auto_reset=${autoReset}`);
  let plain: TrainSummary;
  beforeAll(async () => {
    plain = await training({ config, backend: new Tabletop() });
  });

  // Without resets every environment ends its one episode in each rollout of 60 steps.
  test('a step reports the episodes of all its rollouts', () => {
    const counts = metrics(plain.run).map((row) => row['env/num_trajectories']);
    if (autoReset === 'False') expect(counts).toEqual([2 * ENVS, 2 * ENVS]);
    else expect(Math.min(...(counts as number[]))).toBeGreaterThanOrEqual(2 * ENVS);
  });

  // 2 steps x 2 rollouts x 12 chunks, cut where rollouts end and where they do not.
  test.each([7, 12])('cut every %i chunks it is the plain run, bit for bit', async (chunks) => {
    const runDir = newFolder();
    const names: string[] = [];
    let summary: TrainSummary | undefined;
    while (summary?.interrupted !== false) {
      const backend = new Cut(chunks);
      const { signal } = backend.controller;
      const place = summary === undefined ? { runDir } : { resume: runDir };
      summary = await training({ config, backend, signal, ...place });
      names.push(basename(summary.checkpoint as string));
      // None is left of those between borders but the newest.
      expect(checkpoints(runDir).filter((name) => name.includes('.'))).toHaveLength(
        summary.interrupted ? 1 : 0,
      );
    }
    expect(names.slice(0, 2)).toEqual(['step_0.1', 'step_0.2']);
    expect(names.at(-1)).toBe('step_2');
    expect(tensors(summary.checkpoint)).toEqual(tensors(plain.checkpoint));
    expect(metrics(runDir)).toEqual(metrics(plain.run));
    expect(summary).toMatchObject({ updates: plain.updates, envSteps: plain.envSteps });
    expect(summary.history).toEqual(plain.history);
  });
});

describe('stopped outside the rollouts', () => {
  const config = configured(
    'algorithm.update_epoch=40',
    'runner.max_steps=2',
    'runner.val_check_interval=1',
  );
  let plain: TrainSummary;
  beforeAll(async () => {
    plain = await training({ config });
  });

  async function goOn(cut: ReturnType<typeof cutIn>) {
    const stopped = await training({ config, ...cut });
    const { step } = state(stopped.checkpoint);
    const summary = await training({ config, resume: stopped.run });
    expect(tensors(summary.checkpoint)).toEqual(tensors(plain.checkpoint));
    expect(metrics(summary.run)).toEqual(metrics(plain.run));
    expect(summary.history).toEqual(plain.history);
    return { stopped, step };
  }

  test('before the first chunk', async () => {
    const { stopped, step } = await goOn(cutIn('rollout', 0));
    expect(stopped).toMatchObject({ globalSteps: 0, envSteps: 0, interrupted: true });
    expect(basename(stopped.checkpoint as string)).toBe('step_0');
    expect(step.decisions).toBe(0);
  });

  test('before the first update', async () => {
    const { stopped, step } = await goOn(cutIn('learn', 0));
    expect(basename(stopped.checkpoint as string)).toBe('step_0.1');
    expect(stopped.updates).toBe(0);
    expect(step).toMatchObject({ rollouts: 1, decisions: 0, updates: [] });
  });

  // Wherever the signal falls among the updates.
  test.each([1, 20])('during the updates, %i ms after their beginning', async (delay) => {
    const { stopped, step } = await goOn(cutIn('learn', delay));
    expect(step.updates).toHaveLength(stopped.updates - stopped.globalSteps * 40);
  });

  test('during an evaluation, which is run again', async () => {
    const { stopped, step } = await goOn(cutIn('evaluate', 0));
    expect(stopped.updates).toBe(40);
    expect(step.updates).toHaveLength(40);
  });

  test('at the border of a global step', async () => {
    const { stopped } = await goOn(cutIn('checkpoint', 0));
    expect(stopped.interrupted).toBe(false); // the checkpoint at the end of a run that is done
  });
});

/** Aborts as a run begins, or once it waits for the hash of the policy. */
const WHILE_OPENING: [string, (abort: () => void) => void][] = [
  ['before anything is opened', (abort) => abort()],
  ['while the policy is opened', (abort) => setImmediate(abort)],
];

describe.each(WHILE_OPENING)('stopped %s', (_, cut) => {
  function stopped() {
    const controller = new AbortController();
    const enough = new Error('enough');
    const abort = () => controller.abort(enough);
    const phase = (name: string) => (name === 'setup' ? cut(abort) : undefined);
    return { enough, signal: controller.signal, progress: new Told({ phase }).progress };
  }

  test('no run begins', async () => {
    const { enough, ...request } = stopped();
    const runDir = newFolder();
    await expect(training({ config: configured(), runDir, ...request })).rejects.toBe(enough);
    expect(existsSync(runDir)).toBe(false);
  });

  test('a run that was to go on stays as it is', async () => {
    const { run } = await training({ config: configured('runner.max_steps=1') });
    const before = snapshot(run);
    const { enough, ...request } = stopped();
    await expect(training({ config: configured(), resume: run, ...request })).rejects.toBe(enough);
    expect(snapshot(run)).toEqual(before);
  });
});
