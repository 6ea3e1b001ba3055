/**
 * No number that is none leaves the library: every way out, and every way in which one may come.
 */
import { cpSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import {
  evaluate,
  FrozenPolicy,
  loadAgent,
  Policy,
  type RobotObservation,
  resolveModelPath,
  serve,
} from '../../lib/index.js';
import { NdArray, WireClient } from '../../lib/serve/index.js';
import {
  ACTION,
  editedPolicy,
  failure,
  HORIZON,
  noise,
  observation,
  SHIPPED,
} from '../support/policy.js';
import { readSafetensors, writeSafetensors } from '../support/safetensors.js';
import { configured, root, runtime, training } from '../support/training.js';

const config = configured('device=cpu', 'runner.max_steps=1', 'runner.val_check_interval=-1');
const { run } = await training({ config });

/** The agent of the run with a weight in each tensor that is no number. */
const spoiled = join(mkdtempSync(join(root, 'nan-')), 'checkpoint');
cpSync(join(run, 'checkpoints', 'last'), spoiled, { recursive: true, dereference: true });
const file = join(spoiled, 'agent.safetensors');
const weights = readSafetensors(file);
for (const [, tensor] of weights) tensor.data.writeFloatLE(Number.NaN, 0);
writeSafetensors(file, weights);

/** Statistics of actions that are finite in JSON and infinite in float32. */
const overflowing = editedPolicy(({ normalization }) => {
  (normalization as { actions: { std: number[] } }).actions.std[3] = 1e300;
});

const brokenState = { ...observation(), state: [0, 0, Number.NaN, 0, 0, 0, 0, 0] };
const hugeState = { ...observation(), state: [0, 0, 1e39, 0, 0, 0, 0, 0] };
const brokenNoise = noise().fill(Number.NaN, 7, 8);

describe.each([
  ['weights of the agent', spoiled, observation(), undefined, 'ERR_DSRL_POLICY_NOT_FINITE'],
  ['statistics', overflowing, observation(), undefined, 'ERR_DSRL_POLICY_NOT_FINITE'],
  ['a state', SHIPPED, brokenState, undefined, 'ERR_DSRL_POLICY_CONTRACT'],
  ['a state beyond float32', SHIPPED, hugeState, undefined, 'ERR_DSRL_POLICY_CONTRACT'],
  ['noise', SHIPPED, observation(), brokenNoise, 'ERR_DSRL_NOISE'],
] as const)('of %s that are not finite nothing leaves', (_, folder, seen, start, code) => {
  const given = start === undefined ? {} : { noise: start };
  let policy: Policy;
  const opened = async () => {
    policy ??= await Policy.load(folder, { device: 'cpu' });
    return policy;
  };
  afterAll(() => policy?.dispose());

  test('infer, with a deadline and without', async () => {
    const policy = await opened();
    expect((await failure(policy.infer(seen, given))).code).toBe(code);
    const late = { ...given, deadlineMs: 60_000 };
    expect((await failure(policy.infer(seen, late) as Promise<unknown>)).code).toBe(code);
  });

  test('inferSync, which leaves `out` alone', async () => {
    const policy = await opened();
    const out = new Float32Array(HORIZON * ACTION).fill(7);
    expect(() => policy.inferSync(seen, out, given)).toThrow(expect.objectContaining({ code }));
    expect(out.every((value) => value === 7)).toBe(true);
  });

  test('inferBatch, beside an observation that is well', async () => {
    const policy = await opened();
    const noises = start === undefined ? {} : { noise: [noise(1), start] };
    const batch = policy.inferBatch([observation(1), seen], noises);
    expect((await failure(batch)).code).toBe(code);
  });

  test.skipIf(start !== undefined)('serve, which says so and goes on', async () => {
    const policy = await opened();
    const failures: unknown[] = [];
    const server = await serve(policy, { port: 0, onFailure: (error) => failures.push(error) });
    const client = new WireClient(server.url, {});
    try {
      const { message } = await failure(client.request(wire(seen)));
      // A state is the client's to mend, weights and statistics are not.
      const isOfClient = code === 'ERR_DSRL_POLICY_CONTRACT';
      expect(message).toContain(isOfClient ? code : 'ERR_DSRL_WIRE_INTERNAL');
      expect(failures).toMatchObject(isOfClient ? [] : [{ code }]);
    } finally {
      client.close();
      await server.close();
    }
  });
});

function wire({ images, state, prompt }: RobotObservation) {
  return {
    'observation/image': new NdArray(images.main as Uint8Array, [64, 64, 3]),
    'observation/state': new NdArray(Float64Array.from(Array.from(state)), [8]),
    prompt,
  };
}

test('an evaluation of such an agent ends, and reports nothing', async () => {
  const policy = FrozenPolicy.load(runtime, resolveModelPath(config));
  const agent = loadAgent(config, runtime, spoiled, policy);
  const evaluated = evaluate({ config, runtime, policy, agent });
  expect((await failure(evaluated)).code).toBe('ERR_DSRL_POLICY_NOT_FINITE');
});

test("a served policy of the caller's own is looked at too", async () => {
  using policy = await Policy.load(SHIPPED, { device: 'cpu' });
  const shape = [HORIZON, ACTION];
  const actions = new Float32Array(HORIZON * ACTION).fill(Number.POSITIVE_INFINITY, 4, 5);
  const own = { metadata: policy.metadata, inferBatch: async () => [{ actions, shape }] };
  const failures: unknown[] = [];
  const server = await serve(own, { port: 0, onFailure: (error) => failures.push(error) });
  const client = new WireClient(server.url, {});
  try {
    const { message } = await failure(client.request(wire(observation())));
    expect(message).toContain('ERR_DSRL_WIRE_INTERNAL');
    const reason = 'actions[4] of the policy is Infinity';
    expect(failures).toMatchObject([{ code: 'ERR_DSRL_POLICY_NOT_FINITE', message: reason }]);
  } finally {
    client.close();
    await server.close();
  }
});
