import { describe, expect, test } from 'vitest';
import {
  createRuntime,
  FrozenPolicy,
  Policy,
  type RobotObservation,
  Tensor,
} from '../../lib/index.js';
import {
  ACTION,
  editedPolicy,
  failure,
  HORIZON,
  noise,
  observation,
  SHIPPED,
  SIDE,
  shipped,
  truncationsOf,
  WIDTH,
} from '../support/policy.js';

const runtime = createRuntime({ device: 'cpu' });
const policy = await shipped();

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
    const folder = editedPolicy((json) => Object.assign(json, { image_resize: 'openpi' }));
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

  test.each(['tidy', 'mess'])(
    // known, and one that asks the tokenizer first
    'the arrays are free again as soon as the call is made (%s)',
    async (prompt) => {
      const expected = await policy.infer({ ...observation(), prompt }, { noise: noise() });
      const fresh = await Policy.load(SHIPPED, { device: 'cpu' });
      const { images, state } = observation();
      const [robot, start] = [Array.from(state), noise()];
      const call = fresh.infer({ images, state: robot, prompt }, { noise: start });
      for (const array of [images.main as Uint8Array, robot, start]) array.fill(0);
      expect(await call).toEqual(expected);
    },
  );

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
    ['a camera that gave none', () => ({ images: { main: null } }), ['`main`', 'none'], 'main'],
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
    [
      'bytes of a canvas',
      () => ({ images: { main: new Uint8ClampedArray(12288) } }),
      [takes, 'Uint8ClampedArray'],
      '{ data, height, width }',
    ],
    [
      'half a pixel',
      () => ({ images: { main: { data: pixels(12288), height: 64.5, width: 64 } } }),
      [takes, 'height 64.5'],
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
    [
      'a sensor that did not answer',
      () => ({ state: [0, 0, 0, null, 0, 0, 0, 0] }),
      ['state[3] is null'],
      'proprioception',
    ],
    ['a state in words', () => ({ state: '12345678' }), ['state[0] is 1'], 'proprioception'],
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

  test.each([undefined, null, 7])('%s', async (observed) => {
    const error = await failure(policy.infer(observed as unknown as RobotObservation));
    expect(error).toMatchObject({ code: 'ERR_DSRL_POLICY_CONTRACT' });
    expect(error.message).toContain(`the observation is ${observed}`);
  });

  test('a picture whose sides do not follow from its bytes: 160 x 90 is not 120 x 120', async () => {
    const folder = editedPolicy((json) => Object.assign(json, { image_resize: 'openpi' }));
    const resizing = await Policy.load(folder, { device: 'cpu' });
    const images = { main: pixels(160 * 90 * 3) };
    const error = await failure(resizing.infer({ ...observation(), images }));
    expect(error.message).toContain('uint8 [H, W, 3]');
    expect(error.hint).toContain('{ data, height, width }');
  });

  test('pictures of different sizes in one batch', async () => {
    const folder = editedPolicy((json) => Object.assign(json, { image_resize: 'lerobot' }));
    const resizing = await Policy.load(folder, { device: 'cpu' });
    const main = { data: pixels(30 * 40 * 3), height: 30, width: 40 };
    const scenes = [observation(), { ...observation(), images: { main } }];
    const error = await failure(resizing.inferBatch(scenes));
    expect(error.message).toContain('64 x 64 and 30 x 40');
  });

  test.each([0, -1, 1.5, Number.NaN, 1_001])('%s steps', async (numSteps) => {
    const error = await failure(policy.infer(observation(), { numSteps }));
    expect(error).toMatchObject({ code: 'ERR_DSRL_NUM_STEPS' });
    const out = new Float32Array(HORIZON * ACTION);
    const blocking = () => policy.inferSync(observation(), out, { numSteps });
    expect(blocking).toThrow(expect.objectContaining({ code: 'ERR_DSRL_NUM_STEPS' }));
  });
});

test('an empty prompt is one; one too long loses its end, and one warning says so', async () => {
  const fresh = await shipped();
  const say = async (prompt: string) =>
    (await fresh.infer({ ...observation(), prompt }, { noise: noise() })).actions;
  const warnings = await truncationsOf(async () => {
    const cut = await say('juggle');
    expect(await say('jugglers')).toEqual(cut);
    expect(await say('')).not.toEqual(cut);
  });
  expect(warnings).toEqual([expect.stringContaining('`juggle` has 8')]);
});

test('an action that is not finite never leaves', async () => {
  const folder = editedPolicy(({ normalization }) => {
    const { actions } = normalization as { actions: { std: number[] } };
    actions.std[3] = 1e300; // infinite in float32
  });
  const broken = await Policy.load(folder, { device: 'cpu' });
  const error = await failure(broken.infer(observation(), { noise: noise() }));
  expect(error).toMatchObject({ name: 'PolicyError', code: 'ERR_DSRL_POLICY_NOT_FINITE' });
  expect(error.hint).toContain('--dtype f32');
  const out = new Float32Array(HORIZON * ACTION).fill(7);
  expect(() => broken.inferSync(observation(), out, { noise: noise() })).toThrow(
    expect.objectContaining({ code: 'ERR_DSRL_POLICY_NOT_FINITE' }),
  );
  expect(out.every((value) => value === 7)).toBe(true);
});
