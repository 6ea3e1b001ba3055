import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import type { VideoFormat, VideoStream } from './video-encoder.js';

/** An ffmpeg that takes nothing for so long has stopped for good. */
const PATIENCE_MS = 60_000;
const TAIL = 400;

/** One run of ffmpeg, which reads RGB frames from its standard input. */
export class FfmpegStream implements VideoStream {
  private readonly child: ChildProcessByStdio<Writable, null, Readable>;
  /** Null after a good end, else why it failed. */
  private readonly ended: Promise<string | null>;
  private tail = '';

  constructor(
    file: string,
    { width, height, fps }: VideoFormat,
    codec: readonly string[],
    env: NodeJS.ProcessEnv,
  ) {
    const input = ['-f', 'rawvideo', '-pixel_format', 'rgb24', '-video_size', `${width}x${height}`];
    const output = ['-an', ...codec, '-pix_fmt', 'yuv420p', '-threads', '1'];
    const words = ['-hide_banner', '-loglevel', 'error', '-y', ...input, '-framerate', `${fps}`];
    words.push('-i', 'pipe:0', ...output, '-movflags', '+faststart', '-f', 'mp4', file);
    // Detached: the terminal's Ctrl+C is for the run, which ends its videos itself.
    this.child = spawn('ffmpeg', words, { env, stdio: ['pipe', 'ignore', 'pipe'], detached: true });
    this.child.stdin.on('error', () => {}); // it went away: `ended` says why
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.tail = (this.tail + text).slice(-TAIL);
    });
    this.ended = new Promise((resolve) => {
      this.child.once('error', (error) => resolve(error.message));
      this.child.once('close', (code, signal) => {
        const why = this.tail.trim().split('\n').at(-1) ?? '';
        resolve(code === 0 ? null : `it ended with ${code ?? signal}${why && `: ${why}`}`);
      });
    });
  }

  async write(rgb: Uint8Array): Promise<void> {
    if (this.child.stdin.write(rgb)) return;
    const drained = once(this.child.stdin, 'drain').then(
      () => true,
      () => false,
    );
    if ((await this.patiently(Promise.race([drained, this.ended]))) === true) return;
    throw new Error(`ffmpeg: ${(await this.ended) ?? 'it ended early'}`);
  }

  async end(): Promise<void> {
    this.child.stdin.end();
    const failure = await this.patiently(this.ended);
    if (failure !== null) throw new Error(`ffmpeg: ${failure}`);
  }

  async abort(): Promise<void> {
    this.child.stdin.destroy();
    this.child.kill('SIGKILL');
    await this.ended;
  }

  private async patiently<T>(result: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const why = new Error(`ffmpeg: it stood still for ${PATIENCE_MS / 1000} s`);
      timer = setTimeout(() => reject(why), PATIENCE_MS).unref();
    });
    try {
      return await Promise.race([result, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}
