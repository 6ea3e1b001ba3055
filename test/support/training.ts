import { createHash } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import {
  type Config,
  composeConfig,
  createProgress,
  createRuntime,
  DsrlError,
  type Progress,
  TabletopBackend,
  type TrainRequest,
  type TrainSummary,
  train,
} from '../../lib/index.js';

export const runtime = createRuntime({ device: 'cpu' });
export const root = mkdtempSync(join(tmpdir(), 'dsrl-train-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

export const ENVS = 4;

/** Small networks on a small frame: a global step takes a tenth of a second. */
export const SMALL = [
  'runner.max_steps=4',
  'algorithm.update_epoch=3',
  `env.train.total_num_envs=${ENVS}`,
  'env.eval.total_num_envs=8',
  'actor.global_batch_size=16',
  'actor.model.openpi.dsrl_image_size=16',
  'actor.model.openpi.dsrl_image_kernels=[4,3]',
  'actor.model.openpi.dsrl_image_strides=[4,2]',
  'actor.model.openpi.dsrl_image_channels=[4,4]',
  'actor.model.openpi.dsrl_hidden_dims=[16,16]',
  'actor.model.openpi.dsrl_num_q_heads=2',
];

export function configured(...more: string[]): Config {
  return composeConfig({ recipe: 'tabletop', overrides: [...SMALL, ...more] }).config;
}

/** The environment that the configuration names; to be overridden where it should misbehave. */
export class Tabletop extends TabletopBackend {
  constructor(envs = ENVS) {
    super(runtime, { numEnvs: envs, seed: 0n, imageSize: 64 });
  }
}

export function newFolder(): string {
  return join(mkdtempSync(join(root, 'run-')), 'run');
}

/** What a run told, line by line. */
export class Told {
  readonly lines: string[] = [];
  readonly progress: Progress;

  constructor(events: Partial<Progress> = {}) {
    const quiet = createProgress({ format: 'quiet', totalSteps: 1 });
    const notice = (text: string) => void this.lines.push(text);
    this.progress = { ...quiet, notice, ...events };
  }
}

type Request = Partial<TrainRequest> & { config: Config };

/** Trains in a folder of its own, or goes on from `resume`, without a word. */
export function training(request: Request): Promise<TrainSummary> {
  const place = request.resume === undefined ? { runDir: newFolder() } : {};
  return train({ runtime, progress: new Told().progress, ...place, ...request });
}

/** Short, so that a difference prints well. */
export function hash(bytes: string | Buffer): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}

/** The hash of every tensor file of a checkpoint. */
export function tensors(checkpoint: string | null): Record<string, string> {
  const folder = checkpoint as string;
  const files = readdirSync(folder).filter((file) => file.endsWith('.safetensors'));
  return Object.fromEntries(files.map((file) => [file, hash(readFileSync(join(folder, file)))]));
}

/** What of a run depends on neither the machine nor the clock: its metrics without the times. */
export function metrics(run: string): Record<string, number>[] {
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => {
    const row = Object.entries(JSON.parse(line) as Record<string, number>);
    return Object.fromEntries(row.filter(([key]) => !/second|^time\/|_per_s$/.test(key)));
  });
}

export function checkpoints(run: string): string[] {
  return readdirSync(join(run, 'checkpoints')).sort();
}

/** The error that a promise is rejected with. */
export async function failure(promise: Promise<unknown>): Promise<DsrlError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof DsrlError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

/** The hash of every file below a folder: nothing has changed when they are equal. */
export function snapshot(folder: string): Record<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true });
  return Object.fromEntries(
    files
      .filter((file) => file.isFile())
      .map((file) => join(file.parentPath, file.name))
      .map((path) => [path, hash(readFileSync(path))]),
  );
}
