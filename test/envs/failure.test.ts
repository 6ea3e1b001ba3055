import { describe, expect, test } from 'vitest';
import {
  type BackendObservation,
  createRuntime,
  Environments,
  FAILURE,
  ResetList,
  Tensor,
  type VecEnvBackend,
} from '../../lib/index.js';

const runtime = createRuntime({ device: 'cpu' });
const ENVS = 2;
const CHUNK = 3;

/** Counts steps; fails where the script says: chunk number -> [env, code]. */
class ScriptedBackend implements VecEnvBackend {
  readonly numEnvs = ENVS;
  readonly numTasks = 1;
  readonly numTrials = 50;
  readonly actionDim = 2;
  readonly settlingAction = [0, -1];
  readonly restored: [number, number][] = [];
  readonly limits: number[][] = [];
  readonly actions: number[][] = [];
  /** What the next chunk shows of each environment's state. */
  state = new Float32Array(ENVS);
  constructor(private readonly script: Record<number, [number, number]>) {}

  restore(env: number, _task: number, trial: number): void {
    this.restored.push([env, trial]);
    this.state[env] = 0;
  }
  observe(): BackendObservation {
    return { images: {}, state: Tensor.from(runtime, this.state, [ENVS, 1]) };
  }
  async stepChunk(actions: Tensor, limit: Int32Array) {
    const [env, code] = this.script[this.limits.length] ?? [0, 0];
    this.limits.push([...limit]);
    this.actions.push(Array.from(actions.read(), Number));
    const failure = new Int32Array(ENVS);
    failure[env] = code;
    const success = new Uint8Array(ENVS * (actions.shape[1] as number));
    return { observation: this.observe(), success, executed: limit.slice(), failure };
  }
}

function environments(script: Record<number, [number, number]>, warmUpSteps = 0, autoReset = true) {
  const backend = new ScriptedBackend(script);
  const trials = Array.from({ length: 20 }, (_, trial) => ({ task: 0, trial }));
  const envs = new Environments({
    runtime,
    backend,
    schedule: new ResetList(trials),
    chunk: CHUNK,
    maxEpisodeSteps: 6,
    autoReset,
    chunkReward: 'per_chunk',
    gamma: 0.99,
    frameSize: 0,
    warmUpSteps,
  });
  return { backend, envs };
}

const actions = () =>
  Tensor.from(runtime, new Float32Array(ENVS * CHUNK * 2), [ENVS, CHUNK, 2], 'float32');

test('a simulation that breaks ends its episode without success, and the other goes on', async () => {
  const { backend, envs } = environments({ 1: [1, FAILURE.failed] });
  await envs.reset();
  await envs.stepChunk(actions());
  const result = await envs.stepChunk(actions());
  expect(result.failures).toEqual([{ env: 1, task: 0, trial: 1, kind: 'failed' }]);
  expect(Array.from(result.active)).toEqual([1, 0]);
  expect(result.episodes).toEqual([
    { task: 0, trial: 0, success: false, return: -6, length: 6 },
    { task: 0, trial: 1, success: false, return: -6, length: 6 },
  ]);
  expect(backend.restored.slice(ENVS)).toEqual([
    [0, 2],
    [1, 3],
  ]);
});

test('without auto_reset an environment that broke waits', async () => {
  const { backend, envs } = environments({ 0: [1, FAILURE.failed] }, 0, false);
  await envs.reset();
  await envs.stepChunk(actions());
  await envs.stepChunk(actions());
  expect(backend.limits).toEqual([
    [3, 3],
    [3, 0],
  ]);
});

test('a lost environment begins the same trial again, and the episode counts for nothing', async () => {
  const { backend, envs } = environments({ 1: [0, FAILURE.lost] });
  await envs.reset();
  await envs.stepChunk(actions());
  const result = await envs.stepChunk(actions());
  expect(result.failures).toEqual([{ env: 0, task: 0, trial: 0, kind: 'lost' }]);
  expect([result.active[0], result.envSteps]).toEqual([0, 3]);
  expect(result.episodes.map(({ trial }) => trial)).toEqual([1]);
  expect(backend.restored.slice(ENVS)).toEqual([
    [0, 0],
    [1, 2],
  ]);
  // It has its whole length before it again.
  await envs.stepChunk(actions());
  const ended = await envs.stepChunk(actions());
  expect(ended.episodes.map(({ trial, length }) => [trial, length])).toEqual([
    [0, 6],
    [2, 6],
  ]);
});

test('an environment that is lost again and again ends the run', async () => {
  const script = Object.fromEntries(Array.from({ length: 9 }, (_, chunk) => [chunk, [1, 2]]));
  const { envs } = environments(script as Record<number, [number, number]>);
  await envs.reset();
  const steps = async () => {
    for (let chunk = 0; chunk < 9; chunk++) await envs.stepChunk(actions());
  };
  await expect(steps()).rejects.toMatchObject({
    code: 'ERR_DSRL_ENVIRONMENT',
    message: 'environment 1 failed: lost 6 times in a row',
  });
});

test('a failure code that nobody knows is an error', async () => {
  const { envs } = environments({ 0: [0, 7] });
  await envs.reset();
  await expect(envs.stepChunk(actions())).rejects.toThrow('unknown failure code 7');
});

test('the warm-up steps those that begin, with its action, and is no part of the episode', async () => {
  const { backend, envs } = environments({}, 4);
  await envs.reset();
  expect(backend.limits).toEqual([[4, 4]]);
  expect(backend.actions[0]).toEqual(Array.from({ length: 8 }, () => [0, -1]).flat());
  const first = await envs.stepChunk(actions());
  expect(first.envSteps).toBe(6);
  const second = await envs.stepChunk(actions());
  expect(second.episodes.map(({ length }) => length)).toEqual([6, 6]);
  expect(backend.limits).toEqual([
    [4, 4],
    [3, 3],
    [3, 3],
    [4, 4],
  ]);
});

test('an environment that is lost in its warm-up is begun again', async () => {
  const { backend, envs } = environments({ 0: [1, FAILURE.lost] }, 4);
  await envs.reset();
  expect(backend.limits).toEqual([
    [4, 4],
    [0, 4],
  ]);
});

test('an environment that is interrupted in its warm-up is no loss', async () => {
  const interruptions = Array.from({ length: 9 }, (_, chunk): [number, [number, number]] => {
    return [chunk, [1, FAILURE.interrupted]];
  });
  const { backend, envs } = environments(Object.fromEntries(interruptions), 4);
  await envs.reset();
  expect(backend.limits).toHaveLength(10);
  expect(backend.limits.slice(1)).toEqual(Array.from({ length: 9 }, () => [0, 4]));
});

test('after an abort no warm-up is begun a second time', async () => {
  const script: Record<number, [number, number]> = { 1: [1, FAILURE.interrupted] };
  const { backend, envs } = environments({ ...script, 2: [1, FAILURE.interrupted] }, 4);
  await envs.reset();
  const controller = new AbortController();
  const stepping = envs.stepChunk(actions(), { signal: controller.signal });
  controller.abort(new Error('enough'));
  await expect(stepping).rejects.toThrow('enough');
  expect(backend.limits.slice(1)).toEqual([
    [3, 3],
    [0, 4],
  ]);
});

describe('a state that is not finite', () => {
  test.each([
    ['failed', FAILURE.failed],
    ['lost', FAILURE.lost],
  ])('of an environment that %s is not looked at', async (kind, code) => {
    const { backend, envs } = environments({ 0: [1, code] }, 0, false);
    await envs.reset();
    backend.state = Float32Array.of(0.5, Number.NaN);
    const result = await envs.stepChunk(actions());
    expect(result.failures).toMatchObject([{ env: 1, kind }]);
    expect([...result.next.state.read()]).toEqual([0.5, 0]);
    expect([...result.active]).toEqual([1, 0]);
  });

  test('of an environment that waits is not looked at', async () => {
    const { backend, envs } = environments({ 0: [1, FAILURE.failed] }, 0, false);
    await envs.reset();
    await envs.stepChunk(actions());
    backend.state = Float32Array.of(0, Number.NaN);
    expect([...(await envs.observe()).state.read()]).toEqual([0, 0]);
  });

  test('of a running environment ends the run, and names it', async () => {
    const { backend, envs } = environments({ 0: [1, FAILURE.failed] }, 0, false);
    await envs.reset();
    backend.state = Float32Array.of(Number.POSITIVE_INFINITY, Number.NaN);
    await expect(envs.stepChunk(actions())).rejects.toMatchObject({
      code: 'ERR_DSRL_DIVERGED',
      message: 'environment 0 returned a state that is not finite: number 0 is Infinity',
    });
  });
});
