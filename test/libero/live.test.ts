import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { composeConfig } from '../../lib/config/index.js';
import { LiberoPythonBackend } from '../../lib/envs/index.js';
import { createRuntime, LiberoBackend, liberoHome, Tensor } from '../../lib/native/index.js';
import { evaluate } from '../../lib/train/evaluation.js';
import { whyNoLibero } from '../support/libero.js';
import { stillPolicy } from '../support/still-policy.js';

// The original itself, in a worker, beside the C++ environment: one interface, one behaviour.

const venv = join(liberoHome(), 'venv', 'bin', 'python');
const reason = whyNoLibero() ?? (existsSync(venv) ? null : `no ${venv}`);
const [TASK, TRIAL, STEPS] = [6, 41, 4];

describe.skipIf(reason)(`the original in a worker${reason ? ` (${reason})` : ''}`, () => {
  const runtime = createRuntime({ device: 'cpu' });
  const ends: (() => void)[] = [];
  afterAll(() => {
    for (const end of ends) end();
  });

  test('shows, steps and is told what the C++ environment is', async () => {
    const options = { numEnvs: 1, suite: 'libero_spatial' } as const;
    const original = await LiberoPythonBackend.start(runtime, { ...options, pictureSize: 64 });
    ends.push(() => original.dispose());
    const native = new LiberoBackend(runtime, {
      ...options,
      cameras: ['main', 'wrist'],
      imageSize: 64,
      gl: 'osmesa',
      threads: 1,
    });
    expect([original.numTasks, original.numTrials]).toEqual([native.numTasks, native.numTrials]);
    expect(original.prompt(TASK)).toBe(native.prompt(TASK));
    const values = Float32Array.from({ length: STEPS * 7 }, (_, k) => Math.sin(k));
    const actions = Tensor.from(runtime, values, [1, STEPS, 7]);
    const limit = Int32Array.of(STEPS - 1);
    const shown = [];
    for (const backend of [original, native]) {
      backend.restore(0, TASK, TRIAL);
      const before = await backend.observe();
      const { observation: after, ...result } = await backend.stepChunk(actions, limit);
      expect(result).toEqual({
        success: new Uint8Array(STEPS),
        executed: limit,
        failure: Int32Array.of(0),
      });
      shown.push([before, after]);
    }
    const [originals = [], natives = []] = shown;
    for (const [at, theirs] of originals.entries()) {
      const ours = natives[at];
      for (const camera of ['main', 'wrist']) {
        expect(ours?.images[camera]?.read()).toEqual(theirs.images[camera]?.read());
      }
      const state = ours?.state.read() as Float32Array;
      for (const [k, value] of (theirs.state.read() as Float32Array).entries()) {
        expect(state[k]).toBeCloseTo(value, 6);
      }
    }
    expect(natives[0]?.images.main?.read()).not.toEqual(natives[1]?.images.main?.read());
  });

  test('another suite is evaluated where a configuration names it', async () => {
    const keys = ['env_type=libero-python', 'task_suite_name=libero_goal', 'warmup_steps=1'];
    const one = ['trials=[7,8]', 'task_id_filter=[3]', 'max_episode_steps=5'];
    const { config } = composeConfig({
      recipe: 'libero_spatial_dsrl_openpi',
      overrides: [...keys, ...one].map((key) => `env.eval.${key}`),
    });
    const policy = stillPolicy(runtime, config);
    const result = await evaluate({ config, runtime, policy, agent: null });
    expect(result).toMatchObject({ episodes: 1, success: 0, episode_len: 5 });
    expect(result.tasks).toMatchObject([{ task: 3, episodes: 1 }]);
  });
});
