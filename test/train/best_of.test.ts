/** How far noise can steer a frozen policy: which noises are tried, and what counts. */
import { expect, test } from 'vitest';
import { bestOf, FrozenPolicy, resolveModelPath, Tensor } from '../../lib/index.js';
import { randomStream } from '../../lib/native/index.js';
import { configured, runtime } from '../support/training.js';

const config = configured('seed=5', 'env.eval.total_num_envs=6');
const policy = FrozenPolicy.load(runtime, resolveModelPath(config));
const [WIDTH, SCENES] = [32, 6];

/** The result, and the noise of every decision. */
async function listen(noises: number) {
  const seen: Float32Array[] = [];
  const listening = {
    metadata: policy.metadata,
    sample: (...given: Parameters<FrozenPolicy['sample']>) => {
      expect(given[1].shape).toEqual([SCENES, WIDTH]);
      seen.push(given[1].read());
      return policy.sample(...given);
    },
  };
  const result = await bestOf({ config, runtime, policy: listening, agent: null }, noises);
  return { result, seen };
}

test('each try keeps one noise a scene for the whole episode, from its own stream', async () => {
  const { seen, result } = await listen(1);
  expect(seen.length).toBeGreaterThan(3);
  for (const values of seen) expect(values).toEqual(seen[0]);
  for (let scene = 0; scene < SCENES; scene++) {
    const { uniform } = randomStream(runtime, 5n, 'eval.best_of', 0, scene, WIDTH);
    const expected = uniform.map((value) => Math.fround(2 * value - 1));
    const row = seen[0]?.subarray(scene * WIDTH, (scene + 1) * WIDTH) ?? [];
    for (const [i, value] of row.entries()) expect(value).toBeCloseTo(expected[i] ?? 9, 6);
  }
  expect(result).toMatchObject({ scenes: SCENES, noises: 1 });
});

test('a solved scene is not tried again, and more noises solve no fewer', async () => {
  const [one, many] = [await listen(1), await listen(12)];
  const solved = ({ result }: typeof one) => result.tasks.map(({ successes }) => successes);
  const gained = solved(many).map((count, task) => count - (solved(one)[task] ?? 0));
  expect(Math.min(...gained)).toBeGreaterThanOrEqual(0);
  expect(many.result.success).toBeGreaterThan(one.result.success);
  expect(many.result.tries).toBeGreaterThan(1);
  // Environments without an open scene wait: their rows are zero.
  const waiting = (values: Float32Array) =>
    Array.from({ length: SCENES }, (_, env) =>
      values.subarray(env * WIDTH, (env + 1) * WIDTH),
    ).filter((row) => row.every((value) => value === 0)).length;
  const last = many.seen.at(-1) ?? new Float32Array(0);
  expect(waiting(many.seen[0] ?? last)).toBe(0);
  expect(waiting(last)).toBeGreaterThan(0);
});

test('a scene stays in its environment however many are left', async () => {
  // More scenes than environments: two waves, then fewer scenes with gaps.
  const wide = configured('seed=5', 'env.eval.total_num_envs=100', 'env.eval.max_episode_steps=40');
  const places = new Set<number>();
  const rows: Float32Array[] = [];
  const sample = (...given: Parameters<FrozenPolicy['sample']>) => {
    rows.push(given[1].read());
    return policy.sample(...given);
  };
  const listening = { metadata: policy.metadata, sample };
  await bestOf({ config: wide, runtime, policy: listening, agent: null }, 2);
  const drawn = [0, 1].map((k) =>
    Array.from({ length: 100 }, (_, scene) => {
      return randomStream(runtime, 5n, 'eval.best_of', k, scene, 1).uniform[0] ?? 9;
    }),
  );
  for (const values of rows) {
    for (let env = 0; env < values.length / WIDTH; env++) {
      const first = values[env * WIDTH] ?? 0;
      if (first === 0) continue; // it waits
      const found = drawn.flat().findIndex((value) => Math.abs(2 * value - 1 - first) < 1e-6);
      expect((found % 100) % (values.length / WIDTH)).toBe(env);
      places.add(found % 100);
    }
  }
  expect(places.size).toBe(100);
});

test('where no noise solves a scene there is no mean number of tries', async () => {
  const { horizon, action_dim: width } = policy.metadata;
  const idle = {
    metadata: policy.metadata,
    sample: async () =>
      Tensor.from<'float32'>(runtime, new Float32Array(SCENES * horizon * width), [
        SCENES,
        horizon,
        width,
      ]),
  };
  const result = await bestOf({ config, runtime, policy: idle, agent: null }, 1);
  expect(result).toMatchObject({ success: 0, tries: null });
});
