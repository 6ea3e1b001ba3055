/** The thread of PackageEncoder (video-package.ts). */
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { parentPort, workerData } from 'node:worker_threads';
import type { WorkerAnswer, WorkerOrder } from './video-package.js';

/** Constant quality, as ffmpeg's -crf 20 looks; 10 (lowest) to 51. */
const QUANTIZER = 24;
/** 0 is the best, 10 the fastest; a frame of 256 x 256 takes some 5 ms. */
const SPEED = 8;
/** A frame that needs no other: how finely a player can seek. */
const KEY_FRAME_EVERY = 30;

/** What is used of the package, which may be left out and then is there for no compiler either. */
interface Encoder {
  width: number;
  height: number;
  frameRate: number;
  quantizationParameter: number;
  speed: number;
  groupOfPictures: number;
  outputFilename: string;
  initialize(): void;
  addFrameRgba(rgba: Uint8Array): void;
  finalize(): void;
  delete(): void;
  /** In memory, shared by all encoders. */
  FS: { readFile(path: string): Uint8Array; unlink(path: string): void };
}

const load = createRequire(import.meta.url);
const library = load(workerData as string) as { createH264MP4Encoder(): Promise<Encoder> };
const videos = new Map<number, { encoder: Encoder; file: string }>();

async function obey(order: WorkerOrder): Promise<void> {
  if (order.kind === 'open') {
    const encoder = await library.createH264MP4Encoder();
    encoder.width = order.format.width;
    encoder.height = order.format.height;
    encoder.frameRate = order.format.fps;
    encoder.quantizationParameter = QUANTIZER;
    encoder.speed = SPEED;
    encoder.groupOfPictures = KEY_FRAME_EVERY;
    encoder.outputFilename = `${order.id}.mp4`;
    encoder.initialize();
    videos.set(order.id, { encoder, file: order.file });
    return;
  }
  const video = videos.get(order.id);
  if (video === undefined) throw new Error('there is no such video');
  const { encoder, file } = video;
  if (order.kind === 'frame') return encoder.addFrameRgba(withAlpha(order.rgb));
  videos.delete(order.id);
  try {
    if (order.kind === 'abort') return;
    encoder.finalize();
    writeFileSync(file, encoder.FS.readFile(encoder.outputFilename));
    encoder.FS.unlink(encoder.outputFilename);
  } finally {
    encoder.delete();
  }
}

function withAlpha(rgb: Uint8Array): Uint8Array {
  const rgba = new Uint8Array((rgb.length / 3) * 4);
  for (let from = 0, to = 0; from < rgb.length; from += 3, to += 4) {
    rgba[to] = rgb[from] ?? 0;
    rgba[to + 1] = rgb[from + 1] ?? 0;
    rgba[to + 2] = rgb[from + 2] ?? 0;
    rgba[to + 3] = 255;
  }
  return rgba;
}

let turn = Promise.resolve();
parentPort?.on('message', (order: WorkerOrder) => {
  turn = turn.then(async () => {
    const answer: WorkerAnswer = { failure: null };
    try {
      await obey(order);
    } catch (error) {
      answer.failure = error instanceof Error ? error.message : String(error);
    }
    parentPort?.postMessage(answer);
  });
});
