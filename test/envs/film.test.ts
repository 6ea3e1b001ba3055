import { expect, it } from 'vitest';
import {
  createRuntime,
  Environments,
  FAILURE,
  type Film,
  ResetList,
  type Shot,
  Tensor,
  type VecEnvBackend,
} from '../../lib/index.js';

// What a film is told: against a backend whose pictures say what they are of.

const runtime = createRuntime({ device: 'cpu' });
const [ENVS, CHUNK, SIDE] = [3, 4, 2];
const BYTES = 3 * SIDE ** 2;

interface Script {
  executed: number[];
  success: number[]; // [B], the step that succeeds; -1: none
  failure?: number[];
}

/** A frame's bytes are 10 * environment + step; the observation's picture is 100 + environment. */
class Scripted implements VecEnvBackend {
  readonly numEnvs = ENVS;
  readonly numTasks = 5;
  readonly numTrials = 50;
  readonly actionDim = 7;
  readonly asked: (number[] | undefined)[] = [];

  constructor(
    private readonly chunks: Script[],
    private readonly withFrames: boolean,
  ) {}

  restore() {}
  prompt = (task: number) => `do ${task}`;
  observe() {
    const bytes = Array.from({ length: ENVS }, (_, env) => Array(BYTES).fill(100 + env)).flat();
    const main = Tensor.from<'uint8'>(runtime, Uint8Array.from(bytes), [ENVS, SIDE, SIDE, 3]);
    const state = Tensor.from<'float32'>(runtime, new Float32Array(ENVS * 8), [ENVS, 8]);
    return { images: { main }, state };
  }
  async stepChunk(_: Tensor, limit: Int32Array, wanted?: { filmed?: Uint8Array | undefined }) {
    const filmed = wanted?.filmed;
    this.asked.push(filmed && [...filmed]);
    const script = this.chunks.shift() as Script;
    const success = new Uint8Array(ENVS * CHUNK);
    for (const [env, step] of script.success.entries()) {
      if (step >= 0) success[env * CHUNK + step] = 1;
    }
    const rows = [...(filmed ?? [])].flatMap((yes, env) => (yes ? [env] : []));
    const values = rows.flatMap((env) =>
      Array.from({ length: CHUNK }, (_, step) => Array(BYTES).fill(10 * env + step)).flat(),
    );
    const shape = [rows.length, CHUNK, SIDE, SIDE, 3];
    const frames = Tensor.from<'uint8'>(runtime, Uint8Array.from(values), shape);
    return {
      observation: this.observe(),
      success,
      executed: Int32Array.from(script.executed, (steps, env) => Math.min(steps, limit[env] ?? 0)),
      failure: Int32Array.from(script.failure ?? [0, 0, 0]),
      ...(this.withFrames && { frames }),
    };
  }
}

interface Seen extends Omit<Shot, 'frames'> {
  /** [first byte, step, reward, return, success] */
  frames: [number, number, number, number, boolean][];
}

async function film(
  chunks: Script[],
  options: {
    withFrames?: boolean;
    everyStep?: boolean;
    autoReset?: boolean;
    tasks?: number[];
  } = {},
) {
  const { withFrames = true, everyStep = true, autoReset = false, tasks = [0, 1, 2] } = options;
  const shots: Seen[][] = [];
  const seen: Film = {
    everyStep,
    wants: (task) => tasks.includes(task),
    async record(given) {
      shots.push(
        given.map(({ frames, ...rest }) => ({
          ...rest,
          frames: frames.map(({ picture, step, reward, return: sum, success }) => {
            expect(picture).toMatchObject({ width: SIDE, height: SIDE });
            expect(new Set(picture.data).size).toBe(1);
            return [picture.data[0] ?? -1, step, reward, sum, success];
          }),
        })),
      );
    },
  };
  const backend = new Scripted([...chunks], withFrames);
  const resets = [0, 1, 2, 3, 4, 0].map((task) => ({ task, trial: 10 + task }));
  const envs = new Environments({
    runtime,
    backend,
    schedule: new ResetList(resets),
    chunk: CHUNK,
    maxEpisodeSteps: 6,
    autoReset,
    chunkReward: 'per_chunk',
    gamma: 1,
    frameSize: 0,
    film: seen,
  });
  (await envs.reset()).dispose();
  const results = [];
  for (const _ of chunks) {
    const still = new Float32Array(ENVS * CHUNK * 7);
    const actions = Tensor.from<'float32'>(runtime, still, [ENVS, CHUNK, 7]);
    results.push(await envs.stepChunk(actions));
  }
  return { shots, asked: backend.asked, results };
}

const WHOLE: Script = { executed: [4, 4, 4], success: [-1, -1, -1] };

it('is told of every executed step with its episode, and of how that ends', async () => {
  const chunks: Script[] = [
    { executed: [4, 2, 4], success: [-1, 1, -1] },
    { executed: [4, 0, 2], success: [-1, -1, 1] },
  ];
  const { shots, asked } = await film(chunks);
  expect(asked).toEqual([
    [1, 1, 1],
    [1, 0, 1], // the second has ended and waits
  ]);
  const [first, second] = shots;
  expect(first?.[0]).toEqual({
    env: 0,
    task: 0,
    trial: 10,
    prompt: 'do 0',
    outcome: 'running',
    frames: [
      [0, 1, -1, -1, false],
      [1, 2, -1, -2, false],
      [2, 3, -1, -3, false],
      [3, 4, -1, -4, false],
    ],
  });
  expect(first?.[1]).toMatchObject({
    outcome: 'success',
    frames: [
      [10, 1, -1, -1, false],
      [11, 2, 0, -1, true],
    ],
  });
  expect(second?.map(({ env, outcome }) => [env, outcome])).toEqual([
    [0, 'failure'], // 6 steps and no success
    [2, 'success'],
  ]);
  expect(second?.[0]?.frames).toEqual([
    [0, 5, -1, -5, false],
    [1, 6, -1, -6, false],
  ]);
  expect(second?.[1]?.frames.at(-1)).toEqual([21, 6, 0, -5, true]);
});

it('is told of the episode that was shown, not of the one that begins after it', async () => {
  const { shots } = await film([WHOLE, WHOLE, WHOLE], {
    autoReset: true,
    tasks: [0, 1, 2, 3, 4],
  });
  const [, ending, beginning] = shots;
  expect(ending?.map(({ task, outcome }) => [task, outcome])).toEqual([
    [0, 'failure'],
    [1, 'failure'],
    [2, 'failure'],
  ]);
  expect(beginning?.[0]).toMatchObject({ task: 3, prompt: 'do 3', outcome: 'running' });
  expect(beginning?.[0]?.frames[0]).toEqual([0, 1, -1, -1, false]);
});

it('asks for the frames of those episodes alone that are wanted', async () => {
  const { shots, asked } = await film([WHOLE], { tasks: [1] });
  expect(asked).toEqual([[0, 1, 0]]);
  expect(shots[0]?.map(({ env, frames }) => [env, frames.map(([byte]) => byte)])).toEqual([
    [1, [10, 11, 12, 13]],
  ]);
});

it.each([
  ['a backend without frames', { withFrames: false }],
  ['a film of chunks', { everyStep: false, withFrames: false }],
])('takes one picture a chunk of %s', async (_, options) => {
  const { shots, asked } = await film([{ executed: [4, 3, 4], success: [-1, 2, -1] }], options);
  if ('everyStep' in options) expect(asked).toEqual([undefined]);
  expect(shots[0]?.map(({ frames }) => frames)).toEqual([
    [[100, 4, -1, -4, false]],
    [[101, 3, 0, -2, true]],
    [[102, 4, -1, -4, false]],
  ]);
});

it('tells a broken simulation from an environment that was lost', async () => {
  const failure = [FAILURE.failed, FAILURE.lost, FAILURE.none];
  const { shots } = await film([{ executed: [2, 2, 4], success: [1, -1, -1], failure }]);
  expect(shots[0]?.map(({ outcome }) => outcome)).toEqual(['failure', 'lost', 'running']);
  expect(shots[0]?.[0]?.frames.at(-1)).toEqual([1, 2, -1, -2, false]);
});
