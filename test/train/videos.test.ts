// Videos of training and of evaluations, by a program that pretends to be ffmpeg: its files are the
// pictures as they were given.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, delimiter, dirname, join } from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import {
  evaluate,
  FrozenPolicy,
  resolveModelPath,
  TabletopBackend,
  Trainer,
} from '../../lib/index.js';
import { type Behaviour, pretendFfmpeg } from '../support/ffmpeg.js';
import {
  configured,
  metrics,
  newFolder,
  runtime,
  Told,
  tensors,
  training,
} from '../support/training.js';
import { SimulatedRobot } from './support/robot.js';

const path = process.env.PATH;
afterAll(() => {
  process.env.PATH = path;
});
beforeEach(() => useFfmpeg('works'));

function useFfmpeg(behaviour: Behaviour): void {
  const { env } = pretendFfmpeg(newFolder(), behaviour);
  process.env.PATH = [env.PATH, path].join(delimiter);
}

const filesOf = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name))
        .sort()
    : [];

const SIDE = 64;
const PICTURE = 3 * SIDE ** 2;
const TRAIN = ['env.train.video_cfg.save_video=True', `env.train.video_cfg.size=${SIDE}`];
const EVAL = ['env.eval.video_cfg.save_video=True', `env.eval.video_cfg.size=${SIDE}`];

test('a run ends in the same bits with videos and without, which show all environments', async () => {
  const words = ['runner.max_steps=2', 'runner.val_check_interval=2'];
  const plain = await training({ config: configured(...words) });
  const filmed = await training({ config: configured(...words, ...TRAIN, ...EVAL) });
  expect(tensors(filmed.checkpoint)).toEqual(tensors(plain.checkpoint));
  expect(metrics(filmed.run)).toEqual(metrics(plain.run));
  expect(filmed.history).toEqual(plain.history);
  expect(plain.videos).toEqual([]);
  expect(existsSync(join(plain.run, 'videos'))).toBe(false);

  const videos = join(filmed.run, 'videos');
  expect(filmed.videos).toEqual([videos]);
  const names = filesOf(videos).map((file) => file.slice(videos.length + 1));
  expect(names.slice(0, 1)).toEqual(['step_1/train.mp4']);
  expect(names.at(-1)).toBe('step_2/train.mp4');
  expect(names.slice(1, -1)).toHaveLength(8); // env.eval.total_num_envs
  // Two by two environments; 12 chunks of 5 steps, each a picture.
  for (const step of [1, 2]) {
    const { length } = readFileSync(join(videos, `step_${step}`, 'train.mp4'));
    expect(length).toBe(60 * 4 * PICTURE);
  }
});

const policy = FrozenPolicy.load(runtime, resolveModelPath(configured()));

/** Enough for the frozen policy to succeed in some. */
const EPISODES = 30;

async function evaluated(...words: string[]) {
  const config = configured(`env.eval.total_num_envs=${EPISODES}`, ...words);
  const folder = newFolder();
  const told = new Told();
  const warn = (text: string) => void told.lines.push(text);
  const videos = { folder, warn };
  const result = await evaluate({ config, runtime, policy, agent: null, noise: 'iid', videos });
  return { result, warnings: told.lines, folder, files: filesOf(folder) };
}

interface Episode {
  task: number;
  trial: number;
  outcome: string;
}

function episodeOf(file: string): Episode {
  const [, task, trial, outcome] =
    /^task(\d+)_trial(\d\d)_(success|failure)\.mp4$/.exec(basename(file)) ?? [];
  return { task: Number(task), trial: Number(trial), outcome: outcome ?? file };
}

test('every episode of an evaluation gets a video of its steps, named by its end', async () => {
  const plain = await evaluated();
  const { result, files, warnings } = await evaluated(
    ...EVAL,
    'env.eval.video_cfg.info_on_video=False',
  );
  expect(result).toEqual(plain.result);
  expect(plain.files).toEqual([]);
  expect(warnings).toEqual([]);
  const episodes = files.map(episodeOf);
  expect(new Set(episodes.map(({ task, trial }) => `${task}:${trial}`)).size).toBe(EPISODES);
  expect(result.success).toBeGreaterThan(0);
  for (const { task, successes } of result.tasks) {
    const good = episodes.filter((it) => it.task === task && it.outcome === 'success');
    expect(good).toHaveLength(successes);
  }
  const pictures = files.reduce((sum, file) => sum + readFileSync(file).length / PICTURE, 0);
  expect(pictures).toBeCloseTo(result.episode_len * result.episodes, 6);

  // The first picture is that layout: only the gripper has moved, by one step.
  const world = new TabletopBackend(runtime, { numEnvs: 1, seed: 0n, imageSize: SIDE });
  for (const [index, file] of files.entries()) {
    const { task, trial } = episodes[index] as Episode;
    world.restore(0, task, trial);
    const start = world.observe().images.main?.read() ?? new Uint8Array();
    const first = readFileSync(file).subarray(0, PICTURE);
    const different = first.filter((value, at) => value !== start[at]).length;
    expect(different, basename(file)).toBeLessThan(0.03 * PICTURE);
    expect(different, basename(file)).toBeGreaterThan(0);
  }
});

test('the overlay changes the upper left of the picture and nothing else', async () => {
  const one = [...EVAL, 'env.eval.video_cfg.episodes=0:0'];
  const bare = await evaluated(...one, 'env.eval.video_cfg.info_on_video=False');
  const told = await evaluated(...one);
  expect(told.files.map((file) => basename(file))).toEqual(
    bare.files.map((file) => basename(file)),
  );
  const [without, withIt] = [bare, told].map(({ files }) => readFileSync(files[0] as string));
  const rows = [...(withIt as Buffer).subarray(0, PICTURE)].flatMap((value, at) =>
    value === without?.[at] ? [] : [Math.floor(at / (3 * SIDE))],
  );
  expect(rows.length).toBeGreaterThan(500);
  expect(Math.max(...rows)).toBeLessThanOrEqual(SIDE / 2);
});

test('failed episodes alone, or those of a list, with a word on what is not there', async () => {
  const failed = await evaluated(...EVAL, 'env.eval.video_cfg.episodes=failed');
  const failures = EPISODES - EPISODES * failed.result.success;
  expect(failures).toBeGreaterThan(0);
  expect(failures).toBeLessThan(EPISODES);
  expect(failed.files.map((file) => episodeOf(file).outcome)).toEqual(
    Array(failures).fill('failure'),
  );

  const listed = await evaluated(...EVAL, 'env.eval.video_cfg.episodes=[0:1,3:0,3:40]');
  const episodes = listed.files.map(episodeOf).map(({ task, trial }) => [task, trial]);
  expect(episodes).toEqual([
    [0, 1],
    [3, 0],
  ]);
  expect(listed.warnings).toEqual([expect.stringContaining('no video of 3:40')]);
});

test("a picture a chunk draws nothing more: the policy's own, enlarged", async () => {
  const { result, files } = await evaluated(...EVAL, 'env.eval.video_cfg.every=chunk');
  const pictures = files.reduce((sum, file) => sum + readFileSync(file).length / PICTURE, 0);
  expect(files).toHaveLength(EPISODES);
  expect(pictures).toBeLessThan((result.episode_len * result.episodes) / 4);
  expect(pictures).toBeGreaterThanOrEqual((result.episode_len * result.episodes) / 5);
});

test('an encoder that breaks costs the videos and one warning, not the run', async () => {
  useFfmpeg('breaks');
  const words = ['runner.max_steps=2', 'runner.val_check_interval=1'];
  const plain = await training({ config: configured(...words) });
  const warnings: string[] = [];
  const { progress } = new Told({ warn: (text) => void warnings.push(text) });
  const filmed = await training({ config: configured(...words, ...TRAIN), progress });
  expect(tensors(filmed.checkpoint)).toEqual(tensors(plain.checkpoint));
  expect(warnings).toEqual([expect.stringContaining('Conversion failed!')]);
  expect(filmed.videos).toEqual([]);
  expect(filesOf(join(filmed.run, 'videos'))).toEqual([]);
});

test('a run that is stopped in a rollout keeps both parts, and ends in the same bits', async () => {
  const words = ['runner.max_steps=1'];
  const plain = await training({ config: configured(...words) });
  const stop = new AbortController();
  const config = configured(...words, ...TRAIN);
  const onEpisode = () => stop.abort();
  const first = await training({ config, signal: stop.signal, onEpisode });
  expect(first.interrupted).toBe(true);
  const second = await training({ config: configured(...words, ...TRAIN), resume: first.run });
  expect(tensors(second.checkpoint)).toEqual(tensors(plain.checkpoint));
  const files = filesOf(join(first.run, 'videos'));
  expect(files.map((file) => basename(file))).toEqual(['train-2.mp4', 'train.mp4']);
  const frames = files.map((file) => readFileSync(file).length / (4 * PICTURE));
  expect(Math.min(...frames)).toBeGreaterThan(0);
  expect(frames.reduce((sum, count) => sum + count, 0)).toBe(60);
});

test('video_base_dir takes the videos of every run, each in a folder of its name', async () => {
  const base = newFolder();
  const words = ['runner.max_steps=1', ...TRAIN, `env.train.video_cfg.video_base_dir=${base}`];
  const { run, videos } = await training({ config: configured(...words) });
  expect(videos).toEqual([join(base, basename(run))]);
  expect(filesOf(base)).toEqual([join(base, basename(run), 'step_1', 'train.mp4')]);
  expect(existsSync(join(run, 'videos'))).toBe(false);
});

test('a resumed run may film what the run did not', async () => {
  const { run } = await training({ config: configured('runner.max_steps=1') });
  const config = configured('runner.max_steps=2', ...TRAIN);
  await training({ config, resume: run });
  expect(filesOf(join(run, 'videos')).map((file) => basename(dirname(file)))).toEqual(['step_2']);
});

test('a robot is filmed at the ends of its chunks', async () => {
  const robot = new SimulatedRobot();
  const config = configured('env.train.total_num_envs=1', 'runner.max_steps=1', ...TRAIN);
  const runDir = newFolder();
  const trainer = new Trainer(config, { env: robot, runDir });
  for await (const _ of trainer.run());
  const { length } = readFileSync(join(runDir, 'videos', 'step_1', 'train.mp4'));
  expect(length / PICTURE).toBe(12); // max_steps_per_rollout_epoch / num_action_chunks
});
