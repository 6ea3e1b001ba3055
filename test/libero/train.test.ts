import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { whyNoLibero } from '../support/libero.js';
import { command, exportRandomPi0, folder, metricsOf, policy } from '../support/libero-recipe.js';

const reason = whyNoLibero();

/** The published recipe, made short: 2 of 16 environments, 3 of 48 chunks, 2 of 200 updates. */
const SHORT = [
  'device=cpu',
  `actor.model.model_path=${policy}`,
  'actor.global_batch_size=8',
  'actor.micro_batch_size=8',
  'algorithm.replay_buffer.min_buffer_size=1',
  'algorithm.update_epoch=2',
  'env.train.total_num_envs=2',
  'env.train.max_steps_per_rollout_epoch=15',
  'env.train.auto_reset=True',
  'env.train.warmup_steps=2',
  'env.train.lod=on',
];

function train(run: string, ...more: string[]): string {
  command('train', 'libero_spatial_dsrl_openpi', '--run-dir', join(folder, run), ...SHORT, ...more);
  return join(folder, run);
}

const agentOf = (run: string) =>
  readFileSync(join(run, 'checkpoints', 'last', 'agent.safetensors')).toString('base64');

describe.skipIf(reason)(`the published recipe${reason ? ` (${reason})` : ''}`, () => {
  beforeAll(exportRandomPi0);

  test('trains on LIBERO, and goes on from a checkpoint bit for bit', () => {
    const straight = train('straight', 'runner.max_steps=2');
    const rows = metricsOf(straight);
    expect(rows.map((row) => [row.step, row.env_steps, row.chunks, row.updates])).toEqual([
      [0, 30, 6, 2],
      [1, 60, 12, 4],
    ]);
    expect(Number.isFinite(rows[1]?.['train/sac/critic_loss'])).toBe(true);
    const half = train('half', 'runner.max_steps=1');
    expect(agentOf(half)).not.toBe(agentOf(straight));
    command('train', '--resume', half, 'runner.max_steps=2');
    expect(agentOf(half)).toBe(agentOf(straight));
  });

  test('is evaluated over the episodes that env.eval names', () => {
    const run = train('evaluated', 'runner.max_steps=1');
    const short = ['env.eval.max_episode_steps=5', 'env.eval.lod=on', 'env.eval.warmup_steps=2'];
    const some = ['env.eval.task_id_filter=[0,5]', 'env.eval.trials=[0,2]'];
    const result = JSON.parse(command('eval', run, '--json', ...short, ...some));
    expect(result).toMatchObject({ episodes: 4, success: 0, return: -5, episode_len: 5 });
    expect(result.tasks.map(({ task }: { task: number }) => task)).toEqual([0, 5]);
  });
});
