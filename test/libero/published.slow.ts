import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { whyNoLibero } from '../support/libero.js';
import { command, exportRandomPi0, folder, metricsOf, policy } from '../support/libero-recipe.js';

const reason = whyNoLibero();
const run = join(folder, 'published');

/** All that differs from the page: no GPU, a small Pi0, and updates from the first rollout on. */
const CHANGED = [
  'device=cpu',
  `actor.model.model_path=${policy}`,
  'algorithm.replay_buffer.min_buffer_size=1',
  'runner.max_steps=1',
];

describe.skipIf(reason)(
  `the recipe as published${reason ? ` (${reason})` : ''}`,
  () => {
    beforeAll(exportRandomPi0);

    test('runs one global step: 16 environments, 240 steps, 200 updates of 512', () => {
      command('train', 'libero_spatial_dsrl_openpi', '--run-dir', run, ...CHANGED);
      const [row] = metricsOf(run);
      // Random weights put no bowl on a plate, so that no episode ends early.
      expect(row).toMatchObject({ env_steps: 16 * 240, chunks: 16 * 48, updates: 200 });
      for (const tag of ['critic_loss', 'actor_loss', 'alpha']) {
        expect(Number.isFinite(row?.[`train/sac/${tag}`]), tag).toBe(true);
      }
    });

    test('and the checkpoint is evaluated on an episode of each task', () => {
      const result = JSON.parse(command('eval', run, '--json', 'env.eval.trials=[0,1]'));
      expect(result).toMatchObject({ episodes: 10, success: 0 });
    });
  },
  5_400_000,
);
