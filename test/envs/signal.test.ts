import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type BackendObservation,
  createRuntime,
  Environments,
  ResetList,
  Tensor,
  type VecEnvBackend,
} from '../../lib/index.js';

const runtime = createRuntime({ device: 'cpu' });
const ENVS = 3;
const CHUNK = 2;

/** Aborts when asked to: at a restore, at a chunk that is under way, or at a look. */
class AbortingBackend implements VecEnvBackend {
  readonly numEnvs = ENVS;
  readonly numTasks = 1;
  readonly numTrials = 50;
  readonly actionDim = 1;
  readonly restored: number[] = [];
  chunks = 0;
  at: 'restore' | 'chunk' | 'observe' | null = null;
  controller = new AbortController();

  async restore(_env: number, _task: number, trial: number): Promise<void> {
    this.restored.push(trial);
    if (this.restored.length === 2) await this.moment('restore');
  }
  async observe(): Promise<BackendObservation> {
    await this.moment('observe');
    return { images: {}, state: Tensor.from(runtime, new Float32Array(ENVS), [ENVS, 1]) };
  }
  async stepChunk(_: Tensor, limit: Int32Array) {
    this.chunks += 1;
    await this.moment('chunk');
    const state = Tensor.from<'float32'>(runtime, new Float32Array(ENVS), [ENVS, 1]);
    const [success, failure] = [new Uint8Array(ENVS * CHUNK), new Int32Array(ENVS)];
    return { observation: { images: {}, state }, success, executed: limit.slice(), failure };
  }

  private async moment(where: AbortingBackend['at']): Promise<void> {
    if (this.at !== where) return;
    this.at = null;
    this.controller.abort(where);
    await new Promise(setImmediate);
  }
}

let backend: AbortingBackend;
let envs: Environments;
beforeEach(() => {
  backend = new AbortingBackend();
  const schedule = new ResetList(Array.from({ length: 50 }, (_, trial) => ({ task: 0, trial })));
  const episodes = { chunk: CHUNK, maxEpisodeSteps: 6, autoReset: true, gamma: 0.99 };
  envs = new Environments({
    runtime,
    backend,
    schedule,
    ...episodes,
    chunkReward: 'per_chunk',
    frameSize: 0,
  });
});

/** A signal that the backend aborts where it is told to. */
function abortedAt(where: AbortingBackend['at']): { signal: AbortSignal } {
  backend.at = where;
  backend.controller = new AbortController();
  return backend.controller;
}

/** Disposed of after each test: what the collector takes would disturb the counts of the next. */
const made: Disposable[] = [];
afterEach(() => {
  for (const handle of made.splice(0)) handle[Symbol.dispose]();
});

function chunkOf(steps: number): Tensor<'float32'> {
  const values = new Float32Array(ENVS * steps);
  const chunk = Tensor.from<'float32'>(runtime, values, [ENVS, steps, 1]);
  made.push(chunk);
  return chunk;
}

const live = () => runtime.memory().tensors;
const reset = async () => (await envs.reset()).dispose();

/** Steps one chunk; how many environment steps ran. */
async function step(): Promise<number> {
  const { obs, next, envSteps } = await envs.stepChunk(chunkOf(CHUNK));
  obs.dispose();
  next.dispose();
  return envSteps;
}

describe('an aborted signal starts nothing', () => {
  const signal = AbortSignal.abort();
  test.each([
    ['reset', () => envs.reset({ signal })],
    ['startRollout', () => envs.startRollout({ signal })],
    ['observe', () => envs.observe({ signal })],
    ['stepChunk', () => envs.stepChunk(chunkOf(CHUNK), { signal })],
    ['load', () => envs.load(envs.save(), { signal })],
  ])('%s', async (_, call) => {
    await reset();
    const before = { restored: [...backend.restored], chunks: backend.chunks, saved: envs.save() };
    await expect(call()).rejects.toBe(signal.reason);
    const { restored, chunks } = backend;
    expect({ restored, chunks, saved: envs.save() }).toEqual(before);
  });
});

test.each(['restore', 'observe'] as const)(
  'a reset that is aborted at its %s gives back what it took, and the next one takes it',
  async (where) => {
    const tensors = live();
    await expect(envs.reset(abortedAt(where))).rejects.toBe(where);
    expect(live()).toBe(tensors);
    expect(envs.save()).toMatchObject({ position: 0, started: false, slots: [] });
    backend.restored.length = 0;
    await reset();
    expect(backend.restored).toEqual([0, 1, 2]);
  },
);

test('a look that is aborted leaves everything as it was', async () => {
  await reset();
  const [before, tensors] = [envs.save(), live()];
  await expect(envs.observe(abortedAt('observe'))).rejects.toBe('observe');
  expect(envs.save()).toEqual(before);
  expect(live()).toBe(tensors);
});

test.each([
  ['while it runs', 'chunk', 1],
  ['during the resets behind it', 'observe', 3],
] as const)('a chunk that is aborted %s counts, and its pictures go', async (_, where, chunks) => {
  await reset();
  for (let chunk = 1; chunk < chunks; chunk++) await step();
  const actions = chunkOf(CHUNK + 1); // trimmed on the way: that copy goes too
  const tensors = live();
  await expect(envs.stepChunk(actions, abortedAt(where))).rejects.toBe(where);
  expect(live()).toBe(tensors);
  const elapsed = chunks === 3 ? 0 : CHUNK;
  const trials = chunks === 3 ? [3, 4, 5] : [0, 1, 2];
  const slots = trials.map((trial) => ({ trial, elapsed, return: 0 - elapsed }));
  expect(envs.save().slots).toMatchObject(slots);
  (await envs.observe()).dispose(); // and goes on from there
  expect(await step()).toBe(ENVS * CHUNK);
});

test('a load that is aborted between two environments can be made again', async () => {
  await reset();
  await step();
  const saved = envs.save();
  backend.restored.length = 0;
  await expect(envs.load(saved, abortedAt('restore'))).rejects.toBe('restore');
  expect(backend.restored).toEqual([0, 1]);
  expect(envs.save().started).toBe(false);
  await envs.load(saved);
  expect(envs.save()).toMatchObject({ position: ENVS, started: true });
});
