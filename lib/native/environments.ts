import type { RawObservation, RawVecEnv } from './binding.js';
import { translate, translateAsync } from './errors.js';
import type { Runtime } from './runtime.js';
import { Tensor } from './tensor.js';

/** What a backend shows: camera pictures uint8 [B, S, S, 3], upright, RGB, and state [B, 8]. */
export interface BackendObservation {
  images: Record<string, Tensor<'uint8'>>;
  state: Tensor<'float32'>;
}

/**
 * What a chunk of actions did; arrays are [B] or, for `success`, [B * C] row-major. `failure` is 0,
 * 1 (its simulation broke: the episode has failed) or 2 (the environment was lost: the episode is
 * begun again); see lib/envs/failure.ts.
 */
export interface BackendChunkResult {
  observation: BackendObservation;
  success: Uint8Array;
  executed: Int32Array;
  failure: Int32Array;
}

export interface ChunkOptions {
  /** False: the observation needs no pictures, which saves a backend from drawing them. */
  pictures?: boolean;
}

/** The inside of one environment in full precision; `qvel` is empty where it has no velocities. */
export interface EnvironmentInterior {
  qpos: Float64Array;
  qvel: Float64Array;
  state: Float64Array;
}

/**
 * A backend of vectorised environments: it restores trials and steps. Rewards, terminations, reset
 * ids and metrics are derived above it, once for all (lib/envs). A JavaScript environment, a real
 * robot among them, implements this interface too.
 */
export interface VecEnvBackend {
  readonly numEnvs: number;
  readonly numTasks: number;
  readonly numTrials: number;
  readonly actionDim: number;
  /** Puts one environment at the start of a trial. */
  restore(env: number, task: number, trial: number): void | Promise<void>;
  /** What all environments show now. */
  observe(): BackendObservation | Promise<BackendObservation>;
  /** Steps environment e through the first limit[e] actions; stops after the one that succeeds. */
  stepChunk(actions: Tensor, limit: Int32Array, wanted?: ChunkOptions): Promise<BackendChunkResult>;
  /** What the policy is told in a task; without it every prompt is ''. */
  prompt?(task: number): string;
  /** The state of all environments, for a checkpoint. */
  saveState?(): Float64Array;
  /** Takes up what `saveState` gave. */
  loadState?(state: Float64Array): void;
}

/** A backend of the native side (core/env), named by its kind. */
export class NativeBackend implements VecEnvBackend {
  readonly #raw: RawVecEnv;

  constructor(runtime: Runtime, kind: string, options: Record<string, unknown>) {
    this.#raw = translate(() => new runtime.binding.VecEnv(kind, options));
  }

  get numEnvs(): number {
    return this.#raw.numEnvs();
  }
  get numTasks(): number {
    return this.#raw.numTasks();
  }
  get numTrials(): number {
    return this.#raw.numTrials();
  }
  get actionDim(): number {
    return this.#raw.actionDim();
  }
  /** Puts one environment at the start of a trial. */
  restore(env: number, task: number, trial: number): void {
    translate(() => this.#raw.restore(env, task, trial));
  }
  /** What all environments show now. */
  observe(): BackendObservation {
    return translate(() => observation(this.#raw.observe()));
  }
  stepChunk(
    actions: Tensor,
    limit: Int32Array,
    { pictures = true }: ChunkOptions = {},
  ): Promise<BackendChunkResult> {
    return translateAsync(async () => {
      const result = await this.#raw.stepChunk(actions.raw, limit, pictures);
      return { ...result, observation: observation(result.observation) };
    });
  }
  /** One environment's inside, for comparison with other implementations. */
  interior(env: number): EnvironmentInterior {
    return translate(() => this.#raw.interior(env));
  }
  /** The state of all environments, for a checkpoint. */
  saveState(): Float64Array {
    return translate(() => this.#raw.saveState());
  }
  /** Takes up what `saveState` gave. */
  loadState(state: Float64Array): void {
    translate(() => this.#raw.loadState(state));
  }
}

/** The embedded default environment (core/env/tabletop.h). */
export class TabletopBackend extends NativeBackend {
  /** `seed` is the benchmark's (env.*.seed), not a run's. */
  constructor(runtime: Runtime, options: { numEnvs: number; seed: bigint; imageSize: number }) {
    super(runtime, 'tabletop', options);
  }
  /** One instruction for all tasks: the layout tells them apart. */
  prompt(): string {
    return 'tidy';
  }
}

function observation(raw: RawObservation): BackendObservation {
  const images: Record<string, Tensor<'uint8'>> = {};
  for (const [camera, picture] of Object.entries(raw.images)) images[camera] = new Tensor(picture);
  return { images, state: new Tensor(raw.states) };
}

/** Pictures as the agent's frame: bilinear, .5 to even; the same handle if the size is right. */
export function resizeFrames(
  runtime: Runtime,
  pictures: Tensor<'uint8'>,
  size: number,
): Tensor<'uint8'> {
  if (pictures.shape[1] === size && pictures.shape[2] === size) return pictures;
  return translate(() => new Tensor<'uint8'>(runtime.binding.resizeFrames(pictures.raw, size)));
}

/** The first `count` numbers of a stream at (step, env), in its three forms. */
export function randomStream(
  runtime: Runtime,
  seed: bigint,
  stream: string,
  step: number,
  env: number,
  count: number,
): { u32: number[]; uniform: number[]; normal: number[] } {
  return translate(() => runtime.binding.randomStream(seed, stream, step, env, count));
}

/** Standard normals [rows, columns] of a named stream at `step`; row e is env e's draw. */
export function randomNormal(
  runtime: Runtime,
  seed: bigint,
  stream: string,
  step: number,
  rows: number,
  columns: number,
): Tensor<'float32'> {
  return translate(
    () => new Tensor<'float32'>(runtime.binding.randomNormal(seed, stream, step, rows, columns)),
  );
}

/** Uniform in [0, 1), [rows, columns], of a named stream at `step`; row e is env e's draw. */
export function randomUniform(
  runtime: Runtime,
  seed: bigint,
  stream: string,
  step: number,
  rows: number,
  columns: number,
): Tensor<'float32'> {
  return translate(
    () => new Tensor<'float32'>(runtime.binding.randomUniform(seed, stream, step, rows, columns)),
  );
}
