/** The noise of the frozen policy alone, and how an evaluation is stopped. */
import { expect, test } from 'vitest';
import {
  AbortedError,
  evaluate,
  FrozenPolicy,
  type NoiseKind,
  resolveModelPath,
  type Tensor,
} from '../../lib/index.js';
import { randomStream } from '../../lib/native/index.js';
import { configured, runtime } from '../support/training.js';

const config = configured('seed=5', 'actor.model.openpi.dsrl_noise_magnitude=1.5');
const policy = FrozenPolicy.load(runtime, resolveModelPath(config));
const [HORIZON, WIDTH, EPISODES] = [5, 32, 8];

/** The noise of every decision of an evaluation of 8 episodes, with its shape. */
async function noises(noise: NoiseKind) {
  const seen: { shape: readonly number[]; values: Float32Array }[] = [];
  const listening = {
    metadata: policy.metadata,
    sample: (...given: Parameters<FrozenPolicy['sample']>) => {
      seen.push({ shape: given[1].shape, values: given[1].read() });
      return policy.sample(...given);
    },
  };
  await evaluate({ config, runtime, policy: listening, agent: null, noise });
  return seen;
}

/** The stream that an evaluation draws from, for one environment at one decision. */
function stream(step: number, env: number, count: number) {
  return randomStream(runtime, 5n, 'eval.noise', step, env, count);
}

test.each([
  ['iid', [EPISODES, HORIZON, WIDTH], 'normal', (x: number) => x],
  ['tiled', [EPISODES, WIDTH], 'normal', (x: number) => x],
  ['uniform', [EPISODES, WIDTH], 'uniform', (u: number) => 1.5 * (2 * u - 1)],
] as const)('%s noise is its stream, environment by environment', async (kind, shape, draw, of) => {
  const seen = await noises(kind);
  expect(seen.length).toBeGreaterThan(3);
  for (const [step, { shape: found, values }] of seen.slice(0, 3).entries()) {
    expect(found).toEqual(shape);
    const row = values.length / EPISODES;
    for (let env = 0; env < EPISODES; env++) {
      const expected = stream(step, env, row)[draw].map((value) => Math.fround(of(value)));
      expect([...values.subarray(env * row, (env + 1) * row)]).toEqual(expected);
    }
  }
});

test.each(['SIGINT', 'SIGTERM'] as const)(
  'ends with the reason of its signal: %s',
  async (name) => {
    const controller = new AbortController();
    const reason = new AbortedError(name, `stopped by ${name}`, { hint: '' });
    let chunks = 0;
    const stopping = {
      metadata: policy.metadata,
      sample: (...given: Parameters<FrozenPolicy['sample']>): Promise<Tensor<'float32'>> => {
        chunks += 1;
        if (chunks === 2) controller.abort(reason);
        return policy.sample(...given);
      },
    };
    const { signal } = controller;
    await expect(evaluate({ config, runtime, policy: stopping, agent: null, signal })).rejects.toBe(
      reason,
    );
    expect(chunks).toBe(2);
  },
);
