import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { whyNoLibero } from '../support/libero.js';

// The small policy for LIBERO-Spatial, and what `npm run quickstart:libero` does with it.

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const POLICY = join(ROOT, 'policies', 'libero_spatial_small');
const reason = whyNoLibero();
const folder = mkdtempSync(join(tmpdir(), 'dsrl-libero-small-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('ships small, with what made it', () => {
  const bytes = readdirSync(POLICY).reduce((sum, it) => sum + statSync(join(POLICY, it)).size, 0);
  expect(bytes).toBeLessThan(10e6);
  const { provenance, cameras, horizon } = JSON.parse(
    readFileSync(join(POLICY, 'policy.json'), 'utf8'),
  );
  expect({ cameras, horizon }).toEqual({ cameras: ['main', 'wrist'], horizon: 8 });
  expect(provenance.command).toContain('python -m libero_small.train_policy');
  for (const { episodes_kept: kept } of provenance.demonstrations) {
    expect(Math.min(kept.target, kept.other)).toBeGreaterThan(0);
  }
});

/** One short global step of 2 environments, an initial state a task to evaluate. */
const SHORT = [
  'device=cpu',
  'runner.max_steps=1',
  'algorithm.update_epoch=2',
  'actor.global_batch_size=8',
  'env.train.total_num_envs=2',
  'env.train.max_steps_per_rollout_epoch=16',
  'env.eval.trials=[0,1]',
  'env.eval.max_episode_steps=16',
];

function quickstart(...words: string[]) {
  const program = join(ROOT, 'bin', 'dsrl-native.js');
  const command = ['quickstart', 'libero_spatial_small', '--run-dir', 'run', ...SHORT, ...words];
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...command], {
    cwd: folder,
    encoding: 'utf8',
  });
  expect(status, stderr).toBe(0);
  return { line: JSON.parse(stdout), stderr };
}

describe.skipIf(reason)(`its quickstart${reason ? ` (${reason})` : ''}`, () => {
  it('tells one line, films the same initial state twice, and goes on when it is typed again', () => {
    const { line } = quickstart('--video', '2:0');
    expect(line).toMatchObject({ episodes: 3, env_steps: 32, updates: 2 });
    for (const videos of line.videos) {
      expect(existsSync(videos)).toBe(true);
      expect(readdirSync(videos).map((name) => name.slice(0, 13))).toEqual(['task2_trial00']);
    }
    const again = quickstart('runner.max_steps=2');
    expect(again.line).toMatchObject({
      base_success: line.base_success,
      env_steps: 64,
      updates: 4,
    });
    expect(again.stderr).not.toContain('evaluating 3 episodes\nthe frozen policy');
  });
});
