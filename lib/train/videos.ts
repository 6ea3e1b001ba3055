import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Config } from '../config/index.js';
import type { Film, Frame, Shot } from '../envs/index.js';
import {
  blank,
  type CaptionLine,
  caption,
  enlarged,
  gridOf,
  type Picture,
  tiled,
} from '../log/video-picture.js';
import { freePath, VideoStudio, type VideoWriter } from '../log/video-writer.js';

/** Which environments of a configuration. */
export type Role = 'train' | 'eval';

/** Where an evaluation's videos go, and who is told if they do not. */
export interface VideoRequest {
  folder: string;
  /** Told what could not be filmed. */
  warn: (text: string) => void;
}

const GREEN = [110, 255, 110] as const;
const RED = [255, 120, 110] as const;
/** Sides of a training's video stay below this; many environments are shown smaller. */
const WIDEST = 2048;
const FPS = 30; // as RLinf

/** Side of one environment's pictures in a video. */
export function videoSide(config: Config, role: Role, numEnvs: number): number {
  const { size } = config.env[role].video_cfg;
  if (role === 'eval') return size;
  return Math.max(16, Math.min(size, Math.floor(WIDEST / gridOf(numEnvs).columns)));
}

/** Side of the frames that a backend has to draw within a chunk; 0: none. */
export function frameSize(config: Config, role: Role, numEnvs: number): number {
  const { save_video, every } = config.env[role].video_cfg;
  return save_video && every === 'step' ? videoSide(config, role, numEnvs) : 0;
}

/** Where the videos of a run, or of what has no run, come to lie. */
export function videoFolder(config: Config, role: Role, run: string): string {
  const base = config.env[role].video_cfg.video_base_dir;
  return base === null ? join(run, 'videos') : join(base, basename(run));
}

/** A video of every chosen episode: `task3_trial07_success.mp4`. */
export class EpisodeVideos implements Film {
  readonly everyStep: boolean;
  private readonly studio: VideoStudio;
  private readonly open = new Map<number, VideoWriter>();
  private readonly seen = new Map<string, number>();

  /** @param folder its own, such as `videos/step_20` */
  constructor(
    private readonly config: Config,
    private readonly folder: string,
    private readonly warn: (text: string) => void,
  ) {
    this.studio = new VideoStudio(warn);
    this.everyStep = config.env.eval.video_cfg.every === 'step';
  }

  wants(task: number, trial: number): boolean {
    const { episodes } = this.config.env.eval.video_cfg;
    if (!this.studio.possible) return false;
    return isChoice(episodes) || episodes.split(',').includes(`${task}:${trial}`);
  }

  async record(shots: readonly Shot[]): Promise<void> {
    await Promise.all(shots.map((shot) => this.take(shot)));
  }

  private async take(shot: Shot): Promise<void> {
    const { size, fps, info_on_video } = this.config.env.eval.video_cfg;
    const video = this.open.get(shot.env) ?? this.studio.video(this.folder, fps ?? FPS);
    this.open.set(shot.env, video);
    for (const frame of shot.frames) {
      const picture = enlarged(frame.picture, size);
      if (info_on_video) caption(picture, captionOf(shot, frame));
      await video.add(picture);
    }
    if (shot.outcome === 'running') return;
    this.open.delete(shot.env);
    await this.finish(video, shot);
  }

  private async finish(video: VideoWriter, { task, trial, outcome }: Shot): Promise<void> {
    if (outcome === 'lost') return video.discard();
    const count = (this.seen.get(`${task}:${trial}`) ?? 0) + 1;
    this.seen.set(`${task}:${trial}`, count);
    const { episodes } = this.config.env.eval.video_cfg;
    if (episodes === 'failed' && outcome === 'success') return video.discard();
    const again = count === 1 ? '' : `_${count}`; // an evaluation that repeats its episodes
    const name = `task${task}_trial${String(trial).padStart(2, '0')}${again}_${outcome}.mp4`;
    await video.finish(join(this.folder, name));
  }

  /** Ends the encoder; episodes that have not ended leave no video. */
  async close(): Promise<void> {
    await Promise.all([...this.open.values()].map((video) => video.discard()));
    await this.studio.close();
  }

  /** Says which of the listed episodes were none of the evaluation's. */
  warnOfMissing(): void {
    const { episodes } = this.config.env.eval.video_cfg;
    if (isChoice(episodes) || !this.studio.possible) return;
    const missing = episodes.split(',').filter((pair) => !this.seen.has(pair));
    if (missing.length === 0) return;
    this.warn(`no video of ${missing.join(', ')}: not among the evaluation's (task, trial)`);
  }
}

/** A video of all training environments side by side for every global step. */
export class TrainingVideos implements Film {
  readonly everyStep: boolean;
  private readonly studio: VideoStudio;
  private readonly side: number;
  /** What each environment showed last; null: nothing yet. */
  private readonly shown: (Picture | null)[];
  private video: VideoWriter | null = null;

  /** @param folder gets a folder a global step */
  constructor(
    private readonly config: Config,
    private readonly folder: string,
    numEnvs: number,
    warn: (text: string) => void,
  ) {
    this.studio = new VideoStudio(warn);
    this.everyStep = config.env.train.video_cfg.every === 'step';
    this.side = videoSide(config, 'train', numEnvs);
    this.shown = Array.from({ length: numEnvs }, () => null);
  }

  wants(): boolean {
    return this.studio.possible;
  }

  async record(shots: readonly Shot[]): Promise<void> {
    const { fps, info_on_video } = this.config.env.train.video_cfg;
    this.video ??= this.studio.video(this.folder, fps ?? FPS);
    const length = Math.max(...shots.map(({ frames }) => frames.length));
    for (let index = 0; index < length; index++) {
      for (const shot of shots) {
        const frame = shot.frames[index];
        if (frame === undefined) continue; // it has ended: its last picture stays
        const picture = enlarged(frame.picture, this.side);
        if (info_on_video) caption(picture, captionOf(shot, frame));
        this.shown[shot.env] = picture;
      }
      await this.video.add(this.sideBySide());
    }
  }

  /** Ends the video of the global step `step`, counted from 1: `step_<step>/train.mp4`. */
  async finish(step: number): Promise<void> {
    const { video } = this;
    this.video = null;
    await video?.finish(freePath(join(this.folder, `step_${step}`, 'train.mp4')));
  }

  async close(): Promise<void> {
    await this.video?.discard();
    await this.studio.close();
  }

  private sideBySide(): Picture {
    const { width = this.side, height = this.side } = this.shown.find((it) => it !== null) ?? {};
    return tiled(this.shown.map((picture) => picture ?? blank(width, height)));
  }
}

/** The videos of a run's training and evaluations, as its configuration wants them. */
export class RunVideos {
  readonly training: TrainingVideos | null;
  private readonly folders: Record<Role, string>;

  constructor(
    private readonly config: Config,
    run: string,
    private readonly warn: (text: string) => void,
  ) {
    const folder = (role: Role) => videoFolder(config, role, run);
    this.folders = { train: folder('train'), eval: folder('eval') };
    const { total_num_envs, video_cfg } = config.env.train;
    this.training = video_cfg.save_video
      ? new TrainingVideos(config, this.folders.train, total_num_envs, warn)
      : null;
  }

  /** For the evaluation after the global step `step`. */
  evaluation(step: number): VideoRequest {
    return { folder: join(this.folders.eval, `step_${step}`), warn: this.warn };
  }

  /** The folders that hold videos. */
  where(): string[] {
    const { train, eval: evaluation } = this.config.env;
    const wanted = [
      ...(train.video_cfg.save_video ? [this.folders.train] : []),
      ...(evaluation.video_cfg.save_video ? [this.folders.eval] : []),
    ];
    return [...new Set(wanted)].filter(holdsVideos);
  }
}

function holdsVideos(folder: string): boolean {
  if (!existsSync(folder)) return false;
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return files.some((file) => file.endsWith('.mp4'));
}

function isChoice(episodes: string): boolean {
  return episodes === 'all' || episodes === 'failed';
}

function captionOf(shot: Shot, frame: Frame): CaptionLine[] {
  const last = frame === shot.frames.at(-1);
  const state: CaptionLine[] = [];
  if (frame.success) state.push({ text: 'success', colour: GREEN });
  else if (last && shot.outcome === 'failure') state.push({ text: 'failure', colour: RED });
  return [
    { text: `task ${shot.task} trial ${shot.trial}  step ${frame.step}` },
    { text: `reward ${frame.reward}  return ${frame.return}` },
    ...state,
    { text: shot.prompt },
  ];
}
