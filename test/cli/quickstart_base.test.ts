import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { firstEpisodes, videosOf } from '../../lib/cli/eval-videos.js';
import { remembered } from '../../lib/cli/quickstart-base.js';
import { composeConfig } from '../../lib/config/index.js';
import type { EvaluationResult } from '../../lib/train/index.js';

const folder = mkdtempSync(join(tmpdir(), 'dsrl-base-'));
afterAll(() => rmSync(folder, { recursive: true }));
const POLICY = fileURLToPath(new URL('../../policies/tabletop', import.meta.url));
const mine = join(folder, 'mine');
cpSync(POLICY, mine, { recursive: true });

const films = join(folder, 'run-base');
let isFilming = true;
let film = 'task0_trial00_success.mp4';

/** How often the frozen policy is evaluated for the configuration. */
async function evaluations(...more: string[]): Promise<number> {
  const overrides = [`actor.model.model_path=${mine}`, ...more];
  const { config } = composeConfig({ recipe: 'tabletop', overrides });
  const request = { config, checkpoint: null, noise: 'iid', repeats: 1, apart: films } as const;
  let count = 0;
  await remembered(join(folder, 'run'), request, async () => {
    count++;
    const videos = videosOf(request).folder;
    mkdirSync(videos, { recursive: true });
    if (config.env.eval.video_cfg.save_video && isFilming) writeFileSync(join(videos, film), '');
    return { success: 0.5 } as EvaluationResult;
  });
  return count;
}

it('counts for the same question alone', async () => {
  expect(await evaluations()).toBe(1);
  expect(await evaluations('runner.max_steps=3')).toBe(0);
  expect(await evaluations('actor.model.num_action_chunks=2')).toBe(1);
  expect(await evaluations('actor.model.num_action_chunks=2')).toBe(0);
});

it('does not count for another policy of the same name', async () => {
  await evaluations();
  const file = join(mine, 'policy.json');
  const contract = JSON.parse(readFileSync(file, 'utf8'));
  contract.sha256['policy.pt'] = '0'.repeat(64);
  writeFileSync(file, JSON.stringify(contract));
  expect(await evaluations()).toBe(1);
  expect(await evaluations()).toBe(0);
});

it('is evaluated again for videos that are not there, and leaves none of another', async () => {
  const video = ['env.eval.video_cfg.save_video=True', "env.eval.video_cfg.episodes='0:0'"];
  await evaluations();
  expect(await evaluations(...video)).toBe(1);
  expect(await evaluations(...video)).toBe(0);
  expect(await evaluations()).toBe(0);
  expect(await evaluations(...video, "env.eval.video_cfg.episodes='0:0,1:0'")).toBe(1);
  film = 'task0_trial00_failure.mp4';
  expect(await evaluations(...video, 'seed=1')).toBe(1);
  expect(readdirSync(join(films, 'videos', 'iid'))).toEqual([film]);
  rmSync(films, { recursive: true });
  expect(await evaluations(...video, 'seed=1')).toBe(1);
});

it('counts where it was to be filmed and could not be', async () => {
  const video = ['env.eval.video_cfg.save_video=True', "env.eval.video_cfg.episodes='failed'"];
  rmSync(films, { recursive: true });
  isFilming = false;
  expect(await evaluations(...video, 'seed=2')).toBe(1);
  expect(await evaluations(...video, 'seed=2')).toBe(0);
});

it('films the first trial of each task that is evaluated', () => {
  const first = (recipe: string, ...overrides: string[]) =>
    firstEpisodes(composeConfig({ recipe, overrides }).config);
  expect(first('libero_spatial_small')).toBe('0:0,2:0,8:0');
  expect(first('libero_spatial_small', 'env.eval.trials=[25,50]')).toBe('0:25,2:25,8:25');
  expect(first('tabletop')).toBe('0:0,1:0,2:0,3:0');
  expect(first('tabletop', 'env.eval.specific_reset_id=152')).toBe('3:2');
});
