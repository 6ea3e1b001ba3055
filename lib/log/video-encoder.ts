import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { FfmpegStream } from './video-ffmpeg.js';
import { PackageEncoder } from './video-package.js';

/** What a video is. Sides are even. */
export interface VideoFormat {
  width: number;
  height: number;
  fps: number;
}

/** One video on its way into a file. Every call may throw; the file is whole after `end` alone. */
export interface VideoStream {
  /** Takes RGB bytes, which are the stream's from then on; waits while the encoder is behind. */
  write(rgb: Uint8Array): Promise<void>;
  end(): Promise<void>;
  /** Gives up; whatever is in the file is of no use. Does not throw. */
  abort(): Promise<void>;
}

/** Makes H.264 in mp4, 4:2:0. */
export interface VideoEncoder {
  readonly name: string;
  open(file: string, format: VideoFormat): VideoStream;
  close(): Promise<void>;
}

const PACKAGE = 'h264-mp4-encoder';

/** Encoders of ffmpeg that make H.264, the better first, with their settings. */
const CODECS: readonly (readonly [string, readonly string[]])[] = [
  ['libx264', ['-preset', 'veryfast', '-crf', '20']],
  ['libopenh264', ['-b:v', '2M']],
];

/**
 * The system's ffmpeg if it can make H.264, else the package h264-mp4-encoder, else null.
 *
 * @param env whose PATH is searched
 */
export async function findEncoder(env = process.env): Promise<VideoEncoder | null> {
  const codec = await ffmpegCodec(env);
  if (codec !== undefined) {
    const [name, settings] = codec;
    const words = ['-c:v', name, ...settings];
    return {
      name: `ffmpeg (${name})`,
      open: (file, format) => new FfmpegStream(file, format, words, env),
      close: async () => {},
    };
  }
  try {
    return new PackageEncoder(createRequire(import.meta.url).resolve(PACKAGE));
  } catch {
    return null;
  }
}

async function ffmpegCodec(env: NodeJS.ProcessEnv) {
  const words = ['-hide_banner', '-loglevel', 'error', '-encoders'];
  const listed = await new Promise<string>((resolve) => {
    execFile('ffmpeg', words, { env, timeout: 20_000 }, (error, stdout) =>
      resolve(error === null ? stdout : ''),
    );
  });
  return CODECS.find(([name]) => new RegExp(`^ V\\S* ${name} `, 'm').test(listed));
}
