import { Worker } from 'node:worker_threads';
import type { VideoEncoder, VideoFormat, VideoStream } from './video-encoder.js';

/**
 * Compiled, for sources that run uncompiled too: a worker is started from a file that Node reads.
 */
const WORKER = new URL('../../dist/log/video-worker.js', import.meta.url);

export type WorkerOrder = { id: number } & (
  | { kind: 'open'; file: string; format: VideoFormat }
  | { kind: 'frame'; rgb: Uint8Array }
  | { kind: 'end' }
  | { kind: 'abort' }
);

export interface WorkerAnswer {
  failure: string | null;
}

/**
 * The package h264-mp4-encoder, WebAssembly, in a thread of its own: a frame keeps it busy for
 * milliseconds, and it listens to the process's uncaught errors, which is not for it to do.
 */
export class PackageEncoder implements VideoEncoder {
  readonly name = 'h264-mp4-encoder';
  private worker: Worker | null = null;
  private waiting: ((failure: string | null) => void)[] = [];
  private videos = 0;

  /** @param file the package's own main file */
  constructor(private readonly file: string) {}

  open(file: string, format: VideoFormat): VideoStream {
    const id = this.videos++;
    let last = this.ask({ kind: 'open', id, file, format });
    // Handled at the next call; without this a failure would be nobody's until then.
    const keep = (answer: Promise<void>) => {
      answer.catch(() => {});
      last = answer;
    };
    keep(last);
    return {
      write: async (rgb) => {
        await last; // one frame ahead of the encoder, no more
        keep(this.ask({ kind: 'frame', id, rgb }));
      },
      end: async () => {
        await last;
        await this.ask({ kind: 'end', id });
      },
      abort: async () => {
        await last.catch(() => {});
        await this.ask({ kind: 'abort', id }).catch(() => {});
      },
    };
  }

  async close(): Promise<void> {
    await this.worker?.terminate();
    this.worker = null;
  }

  /** The worker answers in the order in which it is asked. */
  private ask(order: WorkerOrder): Promise<void> {
    const worker = this.worker ?? this.start();
    return new Promise((resolve, reject) => {
      this.waiting.push((failure) => {
        if (failure === null) resolve();
        else reject(new Error(`${this.name}: ${failure}`));
      });
      worker.postMessage(order, order.kind === 'frame' ? [order.rgb.buffer as ArrayBuffer] : []);
    });
  }

  private start(): Worker {
    // What the package prints is no result of ours: stdout stays clean.
    const worker = new Worker(WORKER, { workerData: this.file, stdout: true, stderr: true });
    worker.unref(); // a video must never be what keeps a process alive
    const lose = (why: string) => {
      if (this.worker === worker) this.worker = null;
      for (const settle of this.waiting.splice(0)) settle(why);
    };
    worker.on('message', ({ failure }: WorkerAnswer) => this.waiting.shift()?.(failure));
    worker.on('error', (error) => lose(String(error)));
    worker.on('exit', () => lose('its thread ended'));
    this.worker = worker;
    return worker;
  }
}
