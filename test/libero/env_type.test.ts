import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { composeConfig } from '../../lib/config/index.js';
import { createRuntime, Tensor } from '../../lib/native/index.js';
import { evaluate } from '../../lib/train/evaluation.js';
import { openSession } from '../../lib/train/session.js';
import { stillPolicy } from '../support/still-policy.js';

// `env_type: libero-python` in a configuration, on a worker that only speaks its protocol.

const runtime = createRuntime({ device: 'cpu' });
const folder = mkdtempSync(join(tmpdir(), 'dsrl-env-type-'));
const worker = fileURLToPath(new URL('fake_worker.py', import.meta.url));
const python = join(folder, 'venv', 'bin', 'python');
mkdirSync(join(folder, 'venv', 'bin'), { recursive: true });
// In the place of `-W ignore .../worker.py`.
writeFileSync(python, `#!/bin/sh\nshift 3\nexec python3 ${worker} "$@"\n`);
chmodSync(python, 0o755);
beforeEach(() => vi.stubEnv('DSRL_LIBERO', folder));
afterEach(() => vi.unstubAllEnvs());
afterAll(() => rmSync(folder, { recursive: true }));

const SUITES = ['libero_spatial', 'libero_object', 'libero_goal', 'libero_10'];

function configured(suite: string, ...more: string[]) {
  const both = (key: string) => [`env.train.${key}`, `env.eval.${key}`];
  return composeConfig({
    recipe: 'libero_spatial_dsrl_openpi',
    overrides: [
      ...both(`env_type=libero-python`),
      ...both(`task_suite_name=${suite}`),
      'env.eval.trials=[0,2]',
      'env.eval.max_episode_steps=10',
      'env.eval.warmup_steps=2',
      'env.eval.init_params.camera_heights=8',
      'env.eval.init_params.camera_widths=8',
      ...more,
    ],
  }).config;
}

const run = (config: ReturnType<typeof configured>, warn?: (text: string) => void) =>
  evaluate({ config, runtime, policy: stillPolicy(runtime, config), agent: null, warn });

test.each(SUITES)('evaluates %s over the tasks that its worker names', async (suite) => {
  const tasks = suite === 'libero_object' ? 3 : 10;
  const result = await run(configured(suite));
  expect(result).toMatchObject({ episodes: 2 * tasks, success: 0, return: -10, episode_len: 10 });
  expect(result.tasks.map(({ task }) => task)).toEqual(Array.from({ length: tasks }, (_, k) => k));
});

test('a worker that is lost in an evaluation is told to whoever asked for it', async () => {
  vi.stubEnv('DSRL_FAKE_ONCE', join(folder, 'once'));
  const told: string[] = [];
  const scene = ['env.eval.trials=[44,45]', 'env.eval.task_id_filter=[1]'];
  const { episodes } = await run(configured('libero_goal', ...scene), (text) => told.push(text));
  expect(episodes).toBe(1);
  expect(told).toEqual([expect.stringContaining('is lost')]);
});

test('a task that the suite has not is an error, once the worker has said so', async () => {
  for (const key of ['task_id_filter=[1,3]', 'specific_reset_id=150']) {
    await expect(run(configured('libero_object', `env.eval.${key}`))).rejects.toMatchObject({
      code: 'ERR_DSRL_ENV_INPUT',
      exitCode: 2,
      message: 'libero_object has no task 3',
      hint: expect.stringContaining('0 to 2'),
    });
  }
});

test('what the original lacks is said as it says it', async () => {
  await expect(run(configured('libero_90'))).rejects.toMatchObject({
    code: 'ERR_DSRL_LIBERO_MUJOCO',
    exitCode: 3,
  });
  vi.stubEnv('DSRL_LIBERO', join(folder, 'nothing'));
  await expect(run(configured('libero_goal'))).rejects.toMatchObject({
    code: 'ERR_DSRL_LIBERO_PYTHON',
    hint: expect.stringContaining('dsrl-native libero setup'),
  });
});

describe('a configuration', () => {
  const refused = (...overrides: string[]) => {
    try {
      composeConfig({ recipe: 'libero_spatial_dsrl_openpi', overrides });
    } catch (error) {
      return error;
    }
    return null;
  };

  test('with a suite that its environment has not says which one has it', () => {
    expect(refused('env.train.task_suite_name=libero_goal')).toMatchObject({
      code: 'ERR_DSRL_CONFIG_CONFLICT',
      hint: expect.stringContaining('env.train.env_type=libero-python'),
    });
    expect(
      refused('env.train.env_type=libero-python', 'env.train.task_suite_name=tabletop'),
    ).toMatchObject({ code: 'ERR_DSRL_CONFIG_CONFLICT' });
  });
});

test('a training opens it, and ends it', async () => {
  const train = ['env_type=libero-python', 'task_suite_name=libero_object', 'total_num_envs=2'];
  const { config } = composeConfig({
    recipe: 'tabletop', // for its policy: a Pi0 takes long to make
    overrides: [...train.map((key) => `env.train.${key}`), 'env.train.trials=[3,4]'],
  });
  const session = await openSession(config, runtime, {});
  const { prompts, state } = await session.envs.reset();
  for (const prompt of prompts) expect(prompt).toMatch(/^task [0-2] of libero_object$/);
  const rows = state.read() as Float32Array;
  expect(rows[1]).toBe(config.env.train.warmup_steps);
  session.close();
  const { horizon } = session.policy.metadata;
  const still = Tensor.from<'float32'>(runtime, new Float32Array(2 * horizon * 7), [2, horizon, 7]);
  await expect(session.envs.stepChunk(still)).rejects.toThrow('ended');
});
