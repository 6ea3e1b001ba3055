import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import {
  createRuntime,
  type DsrlError,
  FrozenPolicy,
  Policy,
  type RobotObservation,
  randomNormal,
  Tensor,
} from '../../lib/index.js';

const SHIPPED = fileURLToPath(new URL('../../policies/tabletop', import.meta.url));
const [SIDE, HORIZON, WIDTH, ACTION] = [64, 5, 32, 7];

const runtime = createRuntime({ device: 'cpu' });
const root = mkdtempSync(join(tmpdir(), 'dsrl-api-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const policy = await Policy.load(SHIPPED, { device: 'cpu' });

/** A scene that differs with its number. */
function observation(scene = 0): RobotObservation {
  const main = Uint8Array.from({ length: SIDE * SIDE * 3 }, (_, i) => (i * (scene + 3)) % 256);
  const state = [0.5, 0.1 * scene, 0.2, 3.1, 0, 0, 0.02, -0.02];
  return { images: { main }, state, prompt: 'tidy' };
}

function noise(index = 0, length = WIDTH): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.sin(17 * index + i + 1));
}

async function failure(promise: Promise<unknown>): Promise<DsrlError> {
  return promise.then(
    () => expect.fail('it was accepted'),
    (error) => error,
  );
}

/** A copy of the policy that ships with an edited policy.json. */
function edited(edit: (json: Record<string, unknown>) => void): string {
  const folder = mkdtempSync(join(root, 'policy-'));
  cpSync(SHIPPED, folder, { recursive: true });
  const file = join(folder, 'policy.json');
  const json = JSON.parse(readFileSync(file, 'utf8'));
  edit(json);
  writeFileSync(file, JSON.stringify(json));
  return folder;
}

describe('what it declares', () => {
  test('names, shapes, dtypes, statistics and the chunk', () => {
    expect(policy.metadata).toMatchObject({
      name: 'tabletop',
      observation: {
        images: { main: { dtype: 'uint8', shape: [SIDE, SIDE, 3] } },
        state: { dtype: 'float32', shape: [8] },
        prompt: { maxTokens: 6, known: ['tidy'] },
      },
      actions: { dtype: 'float32', shape: [HORIZON, ACTION] },
      noise: { dtype: 'float32', shape: [HORIZON, WIDTH] },
      numSteps: 4,
      normalization: { mode: 'mean_std', eps: 1e-6 },
      deltaActions: null,
      precision: 'float32',
    });
  });

  test('pictures of any size where the policy resizes them', async () => {
    const folder = edited((json) => Object.assign(json, { image_resize: 'openpi' }));
    const resizing = await Policy.load(folder, { device: 'cpu' });
    expect(resizing.metadata.observation.images.main?.shape).toEqual([null, null, 3]);
  });
});

describe('inference', () => {
  test('gives the chunk that the handles of FrozenPolicy give', async () => {
    const scenes = [observation(0), observation(1)];
    const noises = [noise(0), noise(1)];
    const chunks = await policy.inferBatch(scenes, { noise: noises });
    const pixels = new Uint8Array(scenes.flatMap(({ images }) => [...(images.main as Uint8Array)]));
    const images = { main: Tensor.from(runtime, pixels, [2, SIDE, SIDE, 3], 'uint8') };
    const states = Float32Array.from(scenes.flatMap(({ state }) => Array.from(state)));
    const state = Tensor.from(runtime, states, [2, 8], 'float32');
    const flat = Float32Array.from(noises.flatMap((values) => [...values]));
    const frozen = FrozenPolicy.load(runtime, SHIPPED);
    const tiled = Tensor.from(runtime, flat, [2, WIDTH], 'float32');
    const actions = await frozen.sample({ images, state, prompts: ['tidy', 'tidy'] }, tiled);
    expect(chunks.map(({ shape }) => shape)).toEqual([
      [HORIZON, ACTION],
      [HORIZON, ACTION],
    ]);
    expect(chunks.flatMap((chunk) => Array.from(chunk.actions))).toEqual(
      Array.from(actions.read()),
    );
  });

  test('depends on picture, state, noise and steps, and on nothing else', async () => {
    const base = await policy.infer(observation(), { noise: noise() });
    const again = await policy.infer(observation(), { noise: noise() });
    expect(again).toEqual(base);
    const { main } = observation(1).images as { main: Uint8Array };
    for (const [what, other] of [
      ['noise', await policy.infer(observation(), { noise: noise(1) })],
      ['steps', await policy.infer(observation(), { noise: noise(), numSteps: 7 })],
      ['picture', await policy.infer({ ...observation(), images: { main } }, { noise: noise() })],
      [
        'state',
        await policy.infer({ ...observation(), state: observation(2).state }, { noise: noise() }),
      ],
      ['prompt', await policy.infer({ ...observation(), prompt: 'mess' }, { noise: noise() })],
    ] as const) {
      expect(other.actions, what).not.toEqual(base.actions);
    }
    const wrist = new Uint8Array(3);
    const more = { ...observation(), images: { ...observation().images, wrist } };
    expect(await policy.infer(more, { noise: noise() })).toEqual(base);
  });

  test('one row does not depend on the others of its batch', async () => {
    const scenes = [0, 1, 2, 3].map(observation);
    const noises = [4, 5, 6, 7].map((index) => noise(index));
    const together = await policy.inferBatch(scenes, { noise: noises });
    for (const [row, scene] of scenes.entries()) {
      const alone = await policy.infer(scene, { noise: noises[row] as Float32Array });
      for (const [index, value] of alone.actions.entries()) {
        expect(together[row]?.actions[index]).toBeCloseTo(value, 4);
      }
    }
    expect(await policy.inferBatch([])).toEqual([]);
  });

  test('takes pictures as bytes, with a size, as a tensor, and states as any list', async () => {
    const { images, state, prompt } = observation();
    const data = images.main as Uint8Array;
    const expected = await policy.infer(observation(), { noise: noise() });
    for (const main of [
      Buffer.from(data),
      { data, height: SIDE, width: SIDE },
      Tensor.from(runtime, data, [SIDE, SIDE, 3], 'uint8'),
    ]) {
      expect(
        await policy.infer({ ...observation(), images: { main } }, { noise: noise() }),
      ).toEqual(expected);
    }
    const typed = { images, state: Float64Array.from(state), prompt };
    expect(await policy.infer(typed, { noise: noise() })).toEqual(expected);
  });

  test('overlapping calls each get their own answer', async () => {
    const calls = [0, 1, 2, 3].map((index) =>
      policy.infer(observation(index), { noise: noise(index) }),
    );
    const answers = await Promise.all(calls);
    for (const [index, answer] of answers.entries()) {
      expect(await policy.infer(observation(index), { noise: noise(index) })).toEqual(answer);
    }
  });
});

describe('noise', () => {
  test('of one vector is used for all of the horizon', async () => {
    const whole = new Float32Array(HORIZON * WIDTH);
    for (let step = 0; step < HORIZON; step++) whole.set(noise(), step * WIDTH);
    const tiled = await policy.infer(observation(), { noise: noise() });
    expect(await policy.infer(observation(), { noise: whole })).toEqual(tiled);
    const free = await policy.infer(observation(), { noise: noise(0, HORIZON * WIDTH) });
    expect(free.actions).not.toEqual(tiled.actions);
  });

  test('that nobody gives is the stream `policy` at (seed, draw, row)', async () => {
    const seeded = await Policy.load(SHIPPED, { device: 'cpu', seed: 2n ** 63n + 5n });
    const rowOf = (step: number, row: number) => {
      const drawn = randomNormal(runtime, 2n ** 63n + 5n, 'policy', step, 3, HORIZON * WIDTH);
      return drawn.read().slice(row * HORIZON * WIDTH, (row + 1) * HORIZON * WIDTH);
    };
    const first = await seeded.infer(observation());
    expect(first).toEqual(await policy.infer(observation(), { noise: rowOf(0, 0) }));
    await seeded.infer(observation(), { noise: noise() }); // draws nothing
    const scenes = [observation(1), observation(2)];
    const batch = await seeded.inferBatch(scenes);
    const given = await policy.inferBatch(scenes, { noise: [rowOf(1, 0), rowOf(1, 1)] });
    expect(batch).toEqual(given);
    const twin = await Policy.load(SHIPPED, { device: 'cpu', seed: 2n ** 63n + 5n });
    expect(await twin.infer(observation())).toEqual(first);
    const other = await Policy.load(SHIPPED, { device: 'cpu', seed: 1 });
    expect((await other.infer(observation())).actions).not.toEqual(first.actions);
  });

  test('of several kinds for one observation gives a chunk each', async () => {
    const noises = [noise(1), noise(2), noise(3, HORIZON * WIDTH)];
    const alone = await Promise.all(
      noises.map((one) => policy.infer(observation(), { noise: one })),
    );
    const { actions, shape } = await policy.infer(observation(), { noise: noises });
    expect(shape).toEqual([3, HORIZON, ACTION]);
    const expected = alone.flatMap((chunk) => Array.from(chunk.actions));
    for (const [index, value] of actions.entries()) {
      expect(value).toBeCloseTo(expected[index] as number, 4);
    }
    const one = await policy.infer(observation(), { noise: [noise(1)] });
    expect(one.shape).toEqual([1, HORIZON, ACTION]);

    const flat = Float32Array.from([...noise(1), ...noise(2)]);
    const tensor = Tensor.from(runtime, flat, [2, WIDTH], 'float32');
    const handles = await policy.infer(observation(), { noise: tensor });
    expect(handles).toEqual(await policy.infer(observation(), { noise: [noise(1), noise(2)] }));
  });

  test('of several for each of several observations stays in its row', async () => {
    const scenes = [observation(1), observation(2)];
    const noises = [
      [noise(1), noise(2)],
      [noise(3), noise(4)],
    ];
    const chunks = await policy.inferBatch(scenes, { noise: noises });
    for (const [row, scene] of scenes.entries()) {
      expect(chunks[row]?.shape).toEqual([2, HORIZON, ACTION]);
      const alone = await policy.infer(scene, { noise: noises[row] as Float32Array[] });
      for (const [index, value] of alone.actions.entries()) {
        expect(chunks[row]?.actions[index]).toBeCloseTo(value, 4);
      }
    }
  });

  test.each<[string, () => object, RegExp]>([
    ['a wrong length', () => noise(0, 33), /33 numbers/],
    ['NaN', () => noise().fill(Number.NaN, 7, 8), /noise\[7\] is NaN/],
    ['none', () => [], /0 noises/],
    [
      'a tensor of another shape',
      () => Tensor.from(runtime, noise(), [WIDTH], 'float32'),
      /float32 \[32\]/,
    ],
  ])('is refused: %s', async (_, make, message) => {
    const error = await failure(policy.infer(observation(), { noise: make() as Float32Array }));
    expect(error.code).toBe('ERR_DSRL_NOISE');
    expect(error.message).toMatch(message);
  });

  test('has to be there for each observation, and as often', async () => {
    const scenes = [observation(), observation(1)];
    const few = await failure(policy.inferBatch(scenes, { noise: [noise()] }));
    expect(few).toMatchObject({
      code: 'ERR_DSRL_NOISE',
      message: expect.stringContaining('2 observations and 1'),
    });
    const uneven = { noise: [[noise()], [noise(), noise(1)]] };
    const error = await failure(policy.inferBatch(scenes, uneven));
    expect(error).toMatchObject({
      code: 'ERR_DSRL_NOISE',
      message: expect.stringContaining('1, 2 noises'),
    });
  });
});

describe('an observation that does not fit names both sides', () => {
  const pixels = (length: number) => new Uint8Array(length);
  const tensor = (shape: number[]) =>
    Tensor.from(runtime, pixels(shape.reduce((a, b) => a * b, 1)), shape, 'uint8');
  const takes = 'takes pictures of uint8 [64, 64, 3]';

  test.each<[string, () => object, string[], string]>([
    [
      'a camera of another name',
      () => ({ images: { front: pixels(12288), top: pixels(1) } }),
      ['`main`', '`front`, `top`'],
      'main',
    ],
    ['no pictures', () => ({ images: {} }), ['`main`', 'none'], 'main'],
    ['pictures left out', () => ({ images: undefined }), ['`main`', 'none'], 'main'],
    [
      'bytes of a larger picture',
      () => ({ images: { main: pixels(224 * 224 * 3) } }),
      [takes, '150528 bytes'],
      '64 x 64',
    ],
    [
      'another size',
      () => ({ images: { main: { data: pixels(32 * 48 * 3), height: 32, width: 48 } } }),
      [takes, '4608 bytes for 32 x 48'],
      '64 x 64',
    ],
    [
      'an alpha channel',
      () => ({ images: { main: { data: pixels(64 * 64 * 4), height: 64, width: 64 } } }),
      [takes, '16384 bytes'],
      'alpha',
    ],
    [
      'a grey picture',
      () => ({ images: { main: pixels(64 * 64) } }),
      [takes, '4096 bytes'],
      'grey',
    ],
    [
      'channels first',
      () => ({ images: { main: tensor([3, 64, 64]) } }),
      [takes, 'uint8 [3, 64, 64]'],
      'channels come first',
    ],
    [
      'a batch where there is one',
      () => ({ images: { main: tensor([1, 64, 64, 3]) } }),
      [takes, '[1, 64, 64, 3]'],
      '',
    ],
    [
      'floats',
      () => ({ images: { main: { data: new Float32Array(12288), height: 64, width: 64 } } }),
      [takes, 'Float32Array'],
      'Uint8Array',
    ],
    [
      'a tensor of floats',
      () => ({ images: { main: Tensor.from(runtime, new Float32Array(12288), [64, 64, 3]) } }),
      [takes, 'float32 [64, 64, 3]'],
      '0 to 255',
    ],
    [
      'no size',
      () => ({ images: { main: { data: pixels(12288) } } }),
      [takes, 'height undefined'],
      '{ data, height, width }',
    ],
    ['a short state', () => ({ state: [1, 2, 3] }), ['a state of 8', 'has 3'], 'proprioception'],
    ['no state', () => ({ state: undefined }), ['a state of 8', 'undefined'], 'proprioception'],
    [
      'a state that is not finite',
      () => ({ state: [0, 0, Number.NaN, 0, 0, 0, 0, 0] }),
      ['state[2] is NaN'],
      'proprioception',
    ],
    ['no prompt', () => ({ prompt: undefined }), ['prompt is undefined'], 'text'],
  ])('%s', async (_, change, named, hint) => {
    const error = await failure(
      policy.infer({ ...observation(), ...change() }, { noise: noise() }),
    );
    expect(error).toMatchObject({
      name: 'PolicyError',
      code: 'ERR_DSRL_POLICY_CONTRACT',
      exitCode: 2,
    });
    for (const part of named) expect(error.message).toContain(part);
    expect(error.hint).toContain(hint);
  });

  test('a picture whose sides do not follow from its bytes: 160 x 90 is not 120 x 120', async () => {
    const folder = edited((json) => Object.assign(json, { image_resize: 'openpi' }));
    const resizing = await Policy.load(folder, { device: 'cpu' });
    const images = { main: pixels(160 * 90 * 3) };
    const error = await failure(resizing.infer({ ...observation(), images }));
    expect(error.message).toContain('uint8 [H, W, 3]');
    expect(error.hint).toContain('{ data, height, width }');
  });

  test('pictures of different sizes in one batch', async () => {
    const folder = edited((json) => Object.assign(json, { image_resize: 'lerobot' }));
    const resizing = await Policy.load(folder, { device: 'cpu' });
    const main = { data: pixels(30 * 40 * 3), height: 30, width: 40 };
    const scenes = [observation(), { ...observation(), images: { main } }];
    const error = await failure(resizing.inferBatch(scenes));
    expect(error.message).toContain('64 x 64 and 30 x 40');
  });

  test.each([0, -1, 1.5, Number.NaN])('%s steps', async (numSteps) => {
    const error = await failure(policy.infer(observation(), { numSteps }));
    expect(error).toMatchObject({ code: 'ERR_DSRL_NUM_STEPS' });
  });
});

test('an action that is not finite never leaves', async () => {
  const folder = edited(({ normalization }) => {
    const { actions } = normalization as { actions: { std: number[] } };
    actions.std[3] = 1e300; // infinite in float32
  });
  const broken = await Policy.load(folder, { device: 'cpu' });
  const error = await failure(broken.infer(observation(), { noise: noise() }));
  expect(error).toMatchObject({ name: 'PolicyError', code: 'ERR_DSRL_POLICY_NOT_FINITE' });
  expect(error.hint).toContain('--dtype f32');
});

describe('its life', () => {
  test('a seed that is none is refused', async () => {
    for (const seed of [-1, 0.5, 2n ** 64n]) {
      const error = await failure(Policy.load(SHIPPED, { device: 'cpu', seed }));
      expect(error).toMatchObject({ code: 'ERR_DSRL_SEED' });
    }
  });

  test('a folder that is none is refused as everywhere', async () => {
    const error = await failure(Policy.load(join(root, 'nowhere'), { device: 'cpu' }));
    expect(error).toMatchObject({ code: 'ERR_DSRL_POLICY_MISSING' });
    const folder = edited(() => {});
    writeFileSync(join(folder, 'policy.pt'), 'no program');
    expect(await failure(Policy.load(folder, { device: 'cpu' }))).toMatchObject({
      code: 'ERR_DSRL_POLICY_HASH',
    });
  });

  test('loading stops at a signal, before and while it hashes', async () => {
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await expect(Policy.load(SHIPPED, { device: 'cpu', signal })).rejects.toBe(reason);
    const controller = new AbortController();
    const loading = Policy.load(SHIPPED, { device: 'cpu', signal: controller.signal });
    controller.abort(reason);
    await expect(loading).rejects.toBe(reason);
  });

  test('a call stops at a signal', async () => {
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await expect(policy.infer(observation(), { signal })).rejects.toBe(reason);
    const stopping = new AbortController();
    const long = policy.infer(observation(), { numSteps: 10_000_000, signal: stopping.signal });
    setTimeout(() => stopping.abort(reason), 20);
    await expect(long).rejects.toBe(reason);
    const controller = new AbortController();
    const answer = await policy.infer(observation(), { noise: noise(), signal: controller.signal });
    expect(answer).toEqual(await policy.infer(observation(), { noise: noise() }));
  });

  test('after dispose calls are errors; one under way ends well', async () => {
    const short = await Policy.load(SHIPPED, { device: 'cpu' });
    const running = short.infer(observation(), { noise: noise() });
    await new Promise(setImmediate);
    short.dispose();
    short.dispose();
    expect(await running).toEqual(await policy.infer(observation(), { noise: noise() }));
    const error = await failure(short.infer(observation()));
    expect(error).toMatchObject({ name: 'UsageError', code: 'ERR_DSRL_DISPOSED' });
    expect(short.metadata.name).toBe('tabletop');
  });
});
