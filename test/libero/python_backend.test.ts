import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, expect, test, vi } from 'vitest';
import {
  Environments,
  FAILURE,
  LiberoPythonBackend,
  type LiberoPythonOptions,
  ResetList,
} from '../../lib/envs/index.js';
import { createRuntime, Tensor } from '../../lib/native/index.js';
import { findPython } from '../support/python.js';

const runtime = createRuntime({ device: 'cpu' });
const workerScript = fileURLToPath(new URL('fake_worker.py', import.meta.url));
const SIZE = 6;
const CHUNK = 4;
const [UNSEEN, DIES, HANGS, ERRS, BREAKS, LOST_ONCE] = [3, 40, 41, 42, 43, 44];

const started: LiberoPythonBackend[] = [];
const warnings: string[] = [];
afterEach(() => {
  for (const backend of started.splice(0)) backend.dispose();
  warnings.splice(0);
  vi.unstubAllEnvs();
});

async function start(options: Partial<LiberoPythonOptions> = {}): Promise<LiberoPythonBackend> {
  const backend = await LiberoPythonBackend.start(runtime, {
    suite: 'libero_goal',
    numEnvs: 3,
    pictureSize: SIZE,
    python: findPython(),
    patience: { start: 30_000, command: 3000 },
    warn: (text) => warnings.push(text),
    workerScript,
    ...options,
  });
  started.push(backend);
  return backend;
}

/** Actions [envs, CHUNK, 7] of zeros; `successAt[e]` is the step whose action succeeds. */
function chunk(successAt: (number | null)[]): Tensor<'float32'> {
  const values = new Float32Array(successAt.length * CHUNK * 7);
  for (const [env, step] of successAt.entries()) {
    if (step !== null) values[(env * CHUNK + step) * 7] = 1;
  }
  return Tensor.from(runtime, values, [successAt.length, CHUNK, 7]);
}

/** The scene and the steps that each environment shows. */
function shown({ state, images }: Awaited<ReturnType<LiberoPythonBackend['observe']>>): number[][] {
  const numbers = state.read() as Float32Array;
  const main = images.main?.read() as Uint8Array;
  const wrist = images.wrist?.read() as Uint8Array;
  expect(images.main?.shape).toEqual([numbers.length / 8, SIZE, SIZE, 3]);
  const bytes = SIZE * SIZE * 3;
  return Array.from({ length: numbers.length / 8 }, (_, env) => {
    const [scene = -1, steps = -1] = numbers.subarray(env * 8);
    const pictures = [main, wrist].map((p) => new Set(p.subarray(env * bytes, (env + 1) * bytes)));
    const blank = scene === 0 && steps === 0 && main[env * bytes] === 0;
    const colours = blank ? [0, 0] : [10 + steps, 20 + steps];
    expect(pictures).toEqual(colours.map((colour) => new Set([colour])));
    return [scene, steps];
  });
}

test('restores, shows, and steps each environment to its limit or to its success', async () => {
  const backend = await start();
  expect([backend.numEnvs, backend.numTasks, backend.numTrials]).toEqual([3, 10, 50]);
  expect(backend.prompt(2)).toBe('task 2 of libero_goal');
  for (const env of [0, 1, 2]) backend.restore(env, env, UNSEEN);
  expect(shown(await backend.observe())).toEqual([
    [3, 0],
    [103, 0],
    [203, 0],
  ]);
  const result = await backend.stepChunk(chunk([null, 1, 0]), Int32Array.of(4, 4, 0));
  expect([...result.executed]).toEqual([4, 2, 0]);
  expect([...result.success]).toEqual([0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  expect([...result.failure]).toEqual([0, 0, 0]);
  expect(shown(result.observation)).toEqual([
    [3, 4],
    [103, 2],
    [203, 0],
  ]);
});

test('the fixtures stand where RLinf puts them', async () => {
  const backend = await start({ seed: 2 });
  for (const env of [0, 1, 2]) backend.restore(env, 0, UNSEEN);
  const state = (await backend.observe()).state.read() as Float32Array;
  expect([0, 1, 2].map((env) => state[env * 8 + 2])).toEqual([6, 7, 8]);
});

test.each([
  ['dies', DIES],
  ['hangs', HANGS],
])('a worker that %s is replaced, its episode is discarded, the others go on', async (_, trial) => {
  const backend = await start();
  backend.restore(0, 5, UNSEEN);
  backend.restore(1, 6, trial);
  backend.restore(2, 7, UNSEEN);
  const result = await backend.stepChunk(chunk([null, null, 2]), Int32Array.of(4, 4, 4));
  expect([...result.executed]).toEqual([4, 0, 3]);
  expect([...result.failure]).toEqual([0, FAILURE.lost, 0]);
  expect(shown(result.observation)).toEqual([
    [503, 4],
    [0, 0], // the new worker shows nothing yet
    [703, 3],
  ]);
  expect(backend.workersLost).toBe(1);
  expect(warnings.join()).toContain(`task 6, trial ${trial}`);
  backend.restore(1, 6, UNSEEN);
  const next = await backend.stepChunk(chunk([null, null, null]), Int32Array.of(1, 1, 1));
  expect([...next.executed]).toEqual([1, 1, 1]);
});

test('above it, a lost episode is begun again and the run goes on', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'dsrl-lost-'));
  vi.stubEnv('DSRL_FAKE_ONCE', join(folder, 'once'));
  const backend = await start({ numEnvs: 1 });
  const envs = new Environments({
    runtime,
    backend,
    schedule: new ResetList([{ task: 2, trial: LOST_ONCE }]),
    chunk: CHUNK,
    maxEpisodeSteps: 8,
    autoReset: false,
    chunkReward: 'per_chunk',
    gamma: 1,
    frameSize: SIZE,
    warmUpSteps: 2,
  });
  const first = await envs.reset();
  expect(existsSync(join(folder, 'once'))).toBe(true); // it was lost in the warm-up
  expect(backend.workersLost).toBe(1);
  expect(first.prompts).toEqual(['task 2 of libero_goal']);
  expect((first.state.read() as Float32Array).slice(0, 2)).toEqual(Float32Array.of(244, 2));
  const { episodes, active } = await envs.stepChunk(chunk([1]));
  expect([...active]).toEqual([1]);
  expect(episodes).toEqual([{ task: 2, trial: 44, success: true, return: -1, length: 2 }]);
  rmSync(folder, { recursive: true });
});

test('a simulation that breaks down is a failure of its own', async () => {
  const backend = await start({ numEnvs: 1 });
  backend.restore(0, 0, BREAKS);
  const result = await backend.stepChunk(chunk([null]), Int32Array.of(4));
  expect([...result.failure, ...result.executed]).toEqual([FAILURE.failed, 1]);
  expect(backend.workersLost).toBe(0);
});

test('what the original throws is an error that says so, and it can go on', async () => {
  const backend = await start({ numEnvs: 1 });
  backend.restore(0, 0, ERRS);
  const stepping = backend.stepChunk(chunk([null]), Int32Array.of(4));
  await expect(stepping).rejects.toMatchObject({
    code: 'ERR_DSRL_LIBERO_WORKER',
    message: expect.stringContaining('ValueError: as asked'),
  });
  backend.restore(0, 1, UNSEEN);
  expect(shown(await backend.observe())).toEqual([[103, 0]]);
});

test('a trial that the original dies in each time is an error, after one new worker', async () => {
  const backend = await start({ numEnvs: 1 });
  backend.restore(0, 9, 49);
  await expect(backend.observe()).rejects.toMatchObject({
    code: 'ERR_DSRL_LIBERO_WORKER',
    message: expect.stringContaining('task 9, trial 49'),
  });
  expect(backend.workersLost).toBe(1);
});

test('bad input is refused before anything is stepped', async () => {
  const backend = await start({ numEnvs: 2 });
  expect(() => backend.restore(2, 0, 0)).toThrow('no environment 2');
  expect(() => backend.restore(0, 10, 0)).toThrow('no task 10');
  expect(() => backend.restore(0, 0, 50)).toThrow('no trial 50');
  backend.restore(0, 0, 0);
  backend.restore(1, 0, 0);
  const limit = Int32Array.of(4, 4);
  const narrow = Tensor.from(runtime, new Float32Array(2 * CHUNK * 6), [2, CHUNK, 6]);
  await expect(backend.stepChunk(narrow, limit)).rejects.toMatchObject({ exitCode: 2 });
  const values = new Float32Array(2 * CHUNK * 7);
  values[CHUNK * 7 + 8] = Number.NaN;
  const unfinished = backend.stepChunk(Tensor.from(runtime, values, [2, CHUNK, 7]), limit);
  await expect(unfinished).rejects.toThrow('action 1 of environment 1 is not finite');
  expect(shown(await backend.observe())).toEqual([
    [0, 0],
    [0, 0],
  ]);
});

test('an environment without the original says what it lacks', async () => {
  await expect(start({ suite: 'libero_90' })).rejects.toMatchObject({
    code: 'ERR_DSRL_LIBERO_MUJOCO',
    message: 'old',
    exitCode: 3,
  });
  await expect(start({ python: '/nowhere/python' })).rejects.toMatchObject({
    code: 'ERR_DSRL_LIBERO_PYTHON',
    hint: expect.stringContaining('libero setup'),
  });
});

test('nothing is left in shared memory', async () => {
  const prefix = `dsrl-worker-${process.pid}-`; // other tests have theirs
  const mine = () => readdirSync('/dev/shm').filter((name) => name.startsWith(prefix));
  const before = mine();
  const backend = await start();
  backend.restore(0, 0, 0);
  await backend.observe();
  expect(mine()).toEqual(before); // the file is unlinked once it is open
});
