import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createRuntime, Policy, scope } from '../../lib/index.js';
import {
  ACTION,
  editedPolicy,
  failure,
  HORIZON,
  noise,
  observation,
  SHIPPED,
  shipped,
} from '../support/policy.js';

const runtime = createRuntime({ device: 'cpu' });
const policy = await shipped();

describe('its life', () => {
  test('a seed that is none is refused', async () => {
    for (const seed of [-1, 0.5, 2n ** 64n]) {
      const error = await failure(shipped({ seed }));
      expect(error).toMatchObject({ code: 'ERR_DSRL_SEED' });
    }
  });

  test('a folder that is none is refused as everywhere', async () => {
    const error = await failure(Policy.load(join(SHIPPED, 'nowhere'), { device: 'cpu' }));
    expect(error).toMatchObject({ code: 'ERR_DSRL_POLICY_MISSING' });
    const folder = editedPolicy(() => {});
    writeFileSync(join(folder, 'policy.pt'), 'no program');
    expect(await failure(Policy.load(folder, { device: 'cpu' }))).toMatchObject({
      code: 'ERR_DSRL_POLICY_HASH',
    });
  });

  test('loading stops at a signal, before and while it hashes', async () => {
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await expect(shipped({ signal })).rejects.toBe(reason);
    const controller = new AbortController();
    const loading = shipped({ signal: controller.signal });
    controller.abort(reason);
    await expect(loading).rejects.toBe(reason);
  });

  test('a call stops at a signal', async () => {
    const reason = new Error('enough');
    const signal = AbortSignal.abort(reason);
    await expect(policy.infer(observation(), { signal })).rejects.toBe(reason);
    const stopping = new AbortController();
    const long = policy.infer(observation(), { numSteps: 1_000, signal: stopping.signal });
    setTimeout(() => stopping.abort(reason), 20);
    await expect(long).rejects.toBe(reason);
    const controller = new AbortController();
    const answer = await policy.infer(observation(), { noise: noise(), signal: controller.signal });
    expect(answer).toEqual(await policy.infer(observation(), { noise: noise() }));
  });

  test('after dispose calls are errors; one under way ends well', async () => {
    const short = await shipped();
    const running = short.infer(observation(), { noise: noise() });
    short.dispose();
    short.dispose();
    expect(await running).toEqual(await policy.infer(observation(), { noise: noise() }));
    const error = await failure(short.infer(observation()));
    expect(error).toMatchObject({ name: 'UsageError', code: 'ERR_DSRL_DISPOSED' });
    expect(short.metadata.name).toBe('tabletop');
  });
});

describe('inferSync', () => {
  const out = new Float32Array(HORIZON * ACTION);

  test('gives the actions of infer, in the array that it is given', async () => {
    const { actions } = await policy.infer(observation(1), { noise: noise(), numSteps: 2 });
    const given = policy.inferSync(observation(1), out, { noise: noise(), numSteps: 2 });
    expect(given).toBe(out);
    expect(out).toEqual(actions);
  });

  test('takes several noises for an observation', async () => {
    const several = [noise(0), noise(1)];
    const { actions } = await policy.infer(observation(), { noise: several });
    const long = new Float32Array(2 * HORIZON * ACTION);
    expect(policy.inferSync(observation(), long, { noise: several })).toEqual(actions);
  });

  test('draws its noise where none is given, as infer does', async () => {
    const [one, other] = await Promise.all([7, 7].map((seed) => shipped({ seed })));
    const first = await one?.infer(observation());
    expect(other?.inferSync(observation(), out)).toEqual(first?.actions);
    const second = await one?.infer(observation());
    expect(other?.inferSync(observation(), out)).toEqual(second?.actions);
    expect(second).not.toEqual(first);
  });

  test('stands behind a call that is under way', async () => {
    const running = policy.infer(observation(2), { noise: noise(), numSteps: 500 });
    policy.inferSync(observation(1), out, { noise: noise(), numSteps: 2 });
    await running;
    const { actions } = await policy.infer(observation(1), { noise: noise(), numSteps: 2 });
    expect(out).toEqual(actions);
  });

  test('opens no tokenizer: a new prompt has to be prepared', async () => {
    const fresh = await shipped();
    const wave = { ...observation(), prompt: 'wave' };
    expect(() => fresh.inferSync(wave, out)).toThrow(
      expect.objectContaining({
        code: 'ERR_DSRL_POLICY_TOKENIZER',
        message: expect.stringContaining('`wave` has no tokens yet'),
      }),
    );
    const signal = AbortSignal.abort(new Error('not now'));
    await expect(fresh.prepare('wave', { signal })).rejects.toThrow('not now');
    expect(() => fresh.inferSync(wave, out)).toThrow('no tokens yet');
    await fresh.prepare('wave');
    const { actions } = await fresh.infer(wave, { noise: noise() });
    expect(fresh.inferSync(wave, out, { noise: noise() })).toEqual(actions);
  });

  test.each<[string, unknown]>([
    ['too short', new Float32Array(3)],
    ['of doubles', new Float64Array(HORIZON * ACTION)],
  ])('an output that is %s is refused, with the one to give', (_, wrong) => {
    expect(() => policy.inferSync(observation(), wrong as Float32Array)).toThrow(
      expect.objectContaining({
        code: 'ERR_DSRL_OUTPUT',
        hint: `give \`new Float32Array(${HORIZON * ACTION})\``,
      }),
    );
  });

  test('after dispose is an error', async () => {
    const short = await shipped();
    short.dispose();
    expect(() => short.inferSync(observation(), out)).toThrow(
      expect.objectContaining({ code: 'ERR_DSRL_DISPOSED' }),
    );
  });
});

describe('deadlineMs', () => {
  test('in time the answer is the chunk', async () => {
    const answer = await policy.infer(observation(), { noise: noise(), deadlineMs: 60_000 });
    expect(answer.timedOut).toBeUndefined();
    expect(answer).toEqual(await policy.infer(observation(), { noise: noise() }));
  });

  test('too late there is no chunk, and the thread is free for the next call', async () => {
    const endless = { noise: noise(), numSteps: 1_000 };
    const answer = await policy.infer(observation(), { ...endless, deadlineMs: 20 });
    expect(answer).toEqual({ timedOut: true });
    const next = await policy.infer(observation(), { noise: noise() });
    expect(next.shape).toEqual([HORIZON, ACTION]);
  });

  test('a busy event loop does not make a late answer a good one', async () => {
    const asked = policy.infer(observation(), { noise: noise(), numSteps: 50, deadlineMs: 300 });
    await new Promise(setImmediate); // the call is under way, and not at its end
    const end = performance.now() + 400;
    while (performance.now() < end);
    expect(await asked).toEqual({ timedOut: true });
  });

  test('leaves a signal its own reason, and an error its own words', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    const options = { deadlineMs: 60_000, signal };
    await expect(policy.infer(observation(), options)).rejects.toThrow('enough');
    const error = await failure(policy.infer({ ...observation(), state: [] }, { deadlineMs: 1e4 }));
    expect(error).toMatchObject({ code: 'ERR_DSRL_POLICY_CONTRACT' });
  });

  test.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY])('%s is none', async (deadlineMs) => {
    const error = await failure(policy.infer(observation(), { deadlineMs }));
    expect(error).toMatchObject({ code: 'ERR_DSRL_DEADLINE', exitCode: 2 });
  });
});

test('calls leave no tensor behind, and work in a scope of the caller', async () => {
  await policy.infer(observation(), { noise: noise() });
  const before = runtime.memory();
  await scope(async () => {
    const local = await shipped();
    await local.infer(observation(), { noise: noise() });
  });
  for (let round = 0; round < 3; round++) await policy.infer(observation(), { noise: noise() });
  // The prompt's tokens and mask, which the policy of the scope keeps until it is collected.
  expect(runtime.memory().tensors - before.tensors).toBeLessThanOrEqual(2);
});

test('loading and computing leave the event loop free', async () => {
  let turns = 0;
  const timer = setInterval(() => turns++, 1);
  const slow = await shipped();
  const loading = turns;
  await slow.infer(observation(), { numSteps: 300 });
  clearInterval(timer);
  expect(loading).toBeGreaterThan(0);
  expect(turns - loading).toBeGreaterThan(5);
});
