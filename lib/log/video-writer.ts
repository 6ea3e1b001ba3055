import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join, parse } from 'node:path';
import { makeFolder } from '../folder.js';
import { findEncoder, type VideoEncoder, type VideoStream } from './video-encoder.js';
import { evenSided, type Picture } from './video-picture.js';

/**
 * The videos of one run: one encoder, found when the first picture comes, and one warning for all
 * that goes wrong. A video that cannot be written is lost; nothing of it is ever thrown.
 */
export class VideoStudio {
  private encoder: Promise<VideoEncoder | null> | null = null;
  private warned = false;
  private missing = false;
  private files = 0;

  constructor(
    private readonly warn: (text: string) => void,
    private readonly find: () => Promise<VideoEncoder | null> = findEncoder,
  ) {}

  /** False once it is known that there is no encoder: nothing need be drawn then. */
  get possible(): boolean {
    return !this.missing;
  }

  /** @param folder where the file lies until it is finished; made with the first picture */
  video(folder: string, fps: number): VideoWriter {
    return new VideoWriter(this, folder, fps);
  }

  /** Ends the encoder; videos that are not finished are lost. */
  async close(): Promise<void> {
    const encoder = await this.encoder;
    this.encoder = null;
    await encoder?.close();
  }

  /** For VideoWriter alone. Null where there is no encoder. */
  async begin(folder: string, fps: number, { width, height }: Picture) {
    this.encoder ??= this.find();
    const encoder = await this.encoder;
    if (encoder === null) {
      this.missing = true;
      this.fail(
        'no videos: ffmpeg with H.264 is not there, nor is the package h264-mp4-encoder; ' +
          'type `apt-get install ffmpeg` or `npm install h264-mp4-encoder`',
      );
      return null;
    }
    makeFolder(folder);
    removeLeftovers(folder);
    const file = join(folder, `.video-${process.pid}-${this.files++}.unfinished`);
    return { file, stream: encoder.open(file, { width, height, fps }) };
  }

  fail(text: string): void {
    if (!this.warned) this.warn(text);
    this.warned = true;
  }
}

/** One video: pictures of one size, and its name once it is known how it ends. */
export class VideoWriter {
  private open: { file: string; stream: VideoStream } | null = null;
  private size: { width: number; height: number } | null = null;
  private lost = false;

  constructor(
    private readonly studio: VideoStudio,
    private readonly folder: string,
    private readonly fps: number,
  ) {}

  /** Takes the picture, which is the video's from then on; waits while the encoder is behind. */
  async add(picture: Picture): Promise<void> {
    await this.guarded(async () => {
      const { data, width, height } = evenSided(picture);
      if (this.size === null) {
        this.size = { width, height };
        this.open = await this.studio.begin(this.folder, this.fps, { data, width, height });
        this.lost = this.open === null;
      }
      if (width !== this.size.width || height !== this.size.height) {
        throw new Error(`a picture of ${width} x ${height} follows those of another size`);
      }
      await this.open?.stream.write(data);
    });
  }

  /**
   * Ends the video and brings it to `path`, in its folder or below; a file there is replaced.
   *
   * @returns whether there is a video now: not where nothing was added or it was lost
   */
  async finish(path: string): Promise<boolean> {
    const { open } = this;
    if (open === null || this.lost) return false;
    await this.guarded(async () => {
      await open.stream.end();
      makeFolder(dirname(path));
      renameSync(open.file, path);
      this.open = null;
    });
    return !this.lost;
  }

  /** Gives the video up; one that is finished stays. */
  async discard(): Promise<void> {
    const { open } = this;
    this.lost = true;
    this.open = null;
    if (open === null) return;
    await open.stream.abort();
    rmSync(open.file, { force: true });
  }

  /** A failure costs this video. */
  private async guarded(body: () => Promise<void>): Promise<void> {
    if (this.lost) return;
    try {
      await body();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.studio.fail(`a video in ${this.folder} is lost: ${why}`);
      await this.discard();
    }
  }
}

/** What a process that is gone left here: a second signal ends one at once, whatever it films. */
function removeLeftovers(folder: string): void {
  for (const name of readdirSync(folder)) {
    const pid = Number(/^\.video-(\d+)-\d+\.unfinished$/.exec(name)?.[1] ?? process.pid);
    if (!isAlive(pid)) rmSync(join(folder, name), { force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH'; // EPERM: another user's
  }
}

/** The path, or with -2, -3, ... before its ending where there is such a file already. */
export function freePath(path: string): string {
  const { dir, name, ext } = parse(path);
  for (let count = 1; ; count++) {
    const candidate = join(dir, `${name}${count === 1 ? '' : `-${count}`}${ext}`);
    if (!existsSync(candidate)) return candidate;
  }
}
