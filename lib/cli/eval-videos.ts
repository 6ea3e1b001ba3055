import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { type Config, TASKS, TRIALS_PER_TASK } from '../config/index.js';
import { type VideoRequest, videoFolder } from '../train/index.js';
import type { EvalRequest } from './eval.js';

/** A checkpoint's videos lie in its run, those of the frozen policy alone beside the runs. */
export function videosOf({ config, checkpoint, noise, apart }: EvalRequest): VideoRequest {
  const { log_path, experiment_name } = config.runner.logger;
  const [run, name] =
    checkpoint === null
      ? [apart ?? join(log_path, `${experiment_name}-policy-only`), noise]
      : [runFolder(checkpoint), basename(resolve(checkpoint))];
  const warn = (text: string) => void process.stderr.write(`warning: ${text}\n`);
  return { folder: join(videoFolder(config, 'eval', run), name), warn };
}

/** Which episodes `--video first` films: the first trial of each task that is evaluated. */
export function firstEpisodes({ env }: Config): string {
  const { task_id_filter, specific_reset_id, trials } = env.eval;
  if (specific_reset_id !== null) {
    const task = Math.floor(specific_reset_id / TRIALS_PER_TASK);
    return `${task}:${specific_reset_id % TRIALS_PER_TASK}`;
  }
  // How many tasks a suite of the original has is not known before it is opened: its first one.
  const all = Array.from({ length: TASKS[env.eval.env_type] ?? 1 }, (_, task) => task);
  return [...new Set(task_id_filter ?? all)].map((task) => `${task}:${trials[0]}`).join(',');
}

export function tellVideos(config: Config, { folder }: VideoRequest): void {
  if (!config.env.eval.video_cfg.save_video || !existsSync(folder)) return;
  process.stderr.write(`videos  ${folder}\n`);
}

/** A checkpoint that lies outside a run's checkpoints/ is its own. */
function runFolder(checkpoint: string): string {
  const folder = dirname(resolve(checkpoint));
  return basename(folder) === 'checkpoints' ? dirname(folder) : resolve(checkpoint);
}
