import { createHash } from 'node:crypto';
import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { type Config, composeConfig } from '../../lib/config/index.js';
import { createProgress } from '../../lib/log/progress.js';
import { createRuntime, TabletopBackend, type Tensor } from '../../lib/native/index.js';
import { evaluate } from '../../lib/train/evaluation.js';
import { train } from '../../lib/train/index.js';
import { rollOut } from '../../lib/train/rollout.js';
import { openSession } from '../../lib/train/session.js';
import { editedPolicy } from '../support/policy.js';
import { readSafetensors } from '../support/safetensors.js';

const MODEL = fileURLToPath(new URL('../../policies/tabletop/policy.pt', import.meta.url));
const runtime = createRuntime({ device: 'cpu' });
const root = mkdtempSync(join(tmpdir(), 'dsrl-frozen-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

function configured(...more: string[]): Config {
  const small = ['env.train.total_num_envs=4', 'env.eval.total_num_envs=4'];
  return composeConfig({ recipe: 'tabletop', overrides: [...small, ...more] }).config;
}

const sha256 = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex');

test('training leaves the policy as it was: its file, its actions, and no optimiser for it', async () => {
  const hash = sha256(MODEL);
  const config = configured();
  const session = await openSession(config, runtime, {});
  const { policy, envs, agent, learner } = session;
  const scene = await envs.reset();
  const noise = await agent.act(scene, { step: 7 });
  const before = (await policy.sample(scene, noise)).read();
  const checksums = await policy.parameterChecksums();
  const untrained = join(root, 'untrained.safetensors');
  await learner.saveAgent(untrained);

  await rollOut(session, 3, undefined);
  await learner.update(5, session.replay);

  expect((await policy.sample(scene, noise)).read()).toEqual(before);
  expect(await policy.parameterChecksums()).toEqual(checksums);
  const trained = join(root, 'trained.safetensors');
  await learner.saveAgent(trained);
  expect(sha256(trained)).not.toBe(sha256(untrained));
  expect(sha256(MODEL)).toBe(hash);

  const optimizer = join(root, 'optimizer.safetensors');
  await learner.saveOptimizer(optimizer);
  const { actor, critic } = learner.parameterCounts;
  const values = [...readSafetensors(optimizer).values()].map(({ shape }) =>
    shape.reduce((product, size) => product * size, 1),
  );
  const held = values.reduce((sum, count) => sum + count, 0);
  expect(held).toBeGreaterThanOrEqual(2 * (actor + critic));
  // Two moments of each, and a few counters; the policy has half a million parameters.
  expect(held).toBeLessThan(2 * (actor + critic) + 100);
  expect(policy.parameterCount).toBeGreaterThan(500_000);
});

describe("RLinf's keys drive the policy", () => {
  test('openpi.num_steps, alone, in rollouts and evaluations', async () => {
    const config = configured('~actor.model.num_steps', '+actor.model.openpi.num_steps=2');
    expect(config.actor.model.num_steps).toBe(2);
    const session = await openSession(config, runtime, {});
    expect(session.policy.metadata.num_steps).toBe(4);
    const asked: (number | undefined)[] = [];
    const policy = {
      metadata: session.policy.metadata,
      sample: (...call: Parameters<typeof session.policy.sample>): Promise<Tensor<'float32'>> => {
        asked.push(call[2]);
        return session.policy.sample(...call);
      },
    };
    await rollOut({ ...session, policy }, 2, undefined);
    expect(asked).toEqual([2, 2]);
    await evaluate({ config, runtime, policy, agent: session.agent });
    expect(asked.length).toBeGreaterThan(2);
    expect(new Set(asked)).toEqual(new Set([2]));
  });

  test('openpi.action_chunk, alone, is how many actions a decision runs', async () => {
    const keys = ['~actor.model.num_action_chunks', '+actor.model.openpi.action_chunk=3'];
    const config = configured(...keys);
    expect(config.actor.model.num_action_chunks).toBe(3);
    const session = await openSession(config, runtime, {});
    const { counters } = session;
    await rollOut(session, 1, undefined);
    expect(counters.envSteps).toBe(4 * 3);
  });

  test('openpi.action_horizon has to be the exported one', async () => {
    const config = configured('actor.model.openpi.action_horizon=50');
    await expect(openSession(config, runtime, {})).rejects.toMatchObject({
      code: 'ERR_DSRL_POLICY_CONTRACT',
      message: expect.stringContaining('actor.model.openpi.action_horizon is 50, its horizon 5'),
    });
    await expect(
      openSession(configured('actor.model.openpi.action_horizon=5'), runtime, {}),
    ).resolves.toBeDefined();
  });
});

describe('what does not fit is refused before the weights are read', () => {
  const folder = editedPolicy(() => {});
  appendFileSync(join(folder, 'policy.pt'), 'torn'); // reading it is another error

  test.each([
    ['a configuration', 'ERR_DSRL_POLICY_CONTRACT', 'actor.model.num_action_chunks=20', 4],
    ['an environment', 'ERR_DSRL_BACKEND', 'seed=1', 3],
    ['neither', 'ERR_DSRL_POLICY_HASH', 'seed=1', 4],
  ])('%s', async (_, code, override, numEnvs) => {
    const config = configured(`actor.model.model_path=${folder}`, override);
    const backend = new TabletopBackend(runtime, { numEnvs, seed: 0n, imageSize: 64 });
    const progress = createProgress({ format: 'quiet', totalSteps: 1 });
    const runDir = join(root, 'refused');
    const training = train({ config, runtime, runDir, backend, progress });
    await expect(training).rejects.toMatchObject({ code });
  });
});
