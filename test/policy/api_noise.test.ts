import { describe, expect, test } from 'vitest';
import { createRuntime, randomNormal, Tensor } from '../../lib/index.js';
import { ACTION, failure, HORIZON, noise, observation, shipped, WIDTH } from '../support/policy.js';

const runtime = createRuntime({ device: 'cpu' });
const policy = await shipped();

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
    const seeded = await shipped({ seed: 2n ** 63n + 5n });
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
    const twin = await shipped({ seed: 2n ** 63n + 5n });
    expect(await twin.infer(observation())).toEqual(first);
    const other = await shipped({ seed: 1 });
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
    ['nothing', () => null as unknown as object, /of the type object/],
    ['numbers in a list', () => new Array(WIDTH).fill(0), /of the type number/],
    ['doubles', () => new Float64Array(WIDTH), /of the type Float64Array/],
    ['doubles in a list', () => [noise(), new Float64Array(WIDTH)], /of the type Float64Array/],
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
