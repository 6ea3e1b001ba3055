import type { Abortable } from '../signal.js';
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
 * 1 (its simulation broke: the episode has failed), 2 (the environment was lost: the episode is
 * begun again) or 3 (as 2, because somebody wanted it so); see lib/envs/failure.ts.
 */
export interface BackendChunkResult {
  observation: BackendObservation;
  success: Uint8Array;
  executed: Int32Array;
  failure: Int32Array;
  /**
   * uint8 [K, C, S, S, 3]: what the K environments of `filmed` showed after each executed step, in
   * their order, upright; 0 where not executed. A backend that shows nothing within a chunk leaves
   * it out.
   */
  frames?: Tensor<'uint8'>;
}

/** Whether the last executed step of an environment's chunk, of C actions, was a success. */
export function succeeded(
  { success, executed }: Pick<BackendChunkResult, 'success' | 'executed'>,
  env: number,
  chunk: number,
): boolean {
  return success[env * chunk + (executed[env] ?? 0) - 1] === 1;
}

/**
 * What a chunk is to show beside its end. Its `signal`, where it is aborted before anything moves,
 * makes `stepChunk` reject with its reason; a chunk that has begun is completed, and answered: what
 * has moved has to be known.
 */
export interface ChunkOptions extends Abortable {
  /** False: the observation needs no pictures, which saves a backend from drawing them. */
  pictures?: boolean;
  /** [B], 1: `frames` are wanted of this environment. What it does never depends on that. */
  filmed?: Uint8Array | undefined;
}

/** The inside of one environment in full precision; `qvel` is empty where it has no velocities. */
export interface EnvironmentInterior {
  qpos: Float64Array;
  qvel: Float64Array;
  state: Float64Array;
}

/** What a scripted expert wants to do: actions [B, 1, A], and how far each errand has come. */
export interface ExpertStep {
  actions: Tensor<'float64'>;
  phases: Int32Array;
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
  /** Seconds that somebody had it wait, since it was made: in no time of a training they count. */
  readonly pausedSeconds?: number;
  /** Puts one environment at the start of a trial. One that is aborted is restored again. */
  restore(env: number, task: number, trial: number, options?: Abortable): void | Promise<void>;
  /** What all environments show now. */
  observe(options?: Abortable): BackendObservation | Promise<BackendObservation>;
  /** Steps environment e through the first limit[e] actions; stops after the one that succeeds. */
  stepChunk(actions: Tensor, limit: Int32Array, wanted?: ChunkOptions): Promise<BackendChunkResult>;
  /** What the policy is told in a task; without it every prompt is ''. */
  prompt?(task: number): string;
  /**
   * [A], sent after every reset for `env.*.warmup_steps` steps, in which simulated objects settle.
   * Without it nothing moves before the policy's first action: a robot has none.
   */
  readonly settlingAction?: readonly number[];
  /** The state of all environments, for a checkpoint. */
  saveState?(): Float64Array;
  /** Takes up what `saveState` gave. */
  loadState?(state: Float64Array): void;
  /** Gives memory back, ends what runs beside this process; whoever made the backend calls it. */
  dispose?(): void;
}

/** A backend of the native side (core/env), named by its kind. */
export class NativeBackend implements VecEnvBackend, Disposable {
  readonly #raw: RawVecEnv;

  constructor(runtime: Runtime, kind: string, options: Record<string, unknown>) {
    this.#raw = translate(() => new runtime.binding.VecEnv(kind, options));
  }

  get numEnvs(): number {
    return translate(() => this.#raw.numEnvs());
  }
  get numTasks(): number {
    return translate(() => this.#raw.numTasks());
  }
  get numTrials(): number {
    return translate(() => this.#raw.numTrials());
  }
  get actionDim(): number {
    return translate(() => this.#raw.actionDim());
  }
  /** Puts one environment at the start of a trial. */
  restore(env: number, task: number, trial: number): void {
    translate(() => this.#raw.restore(env, task, trial));
  }
  /** What all environments show now. */
  observe(): BackendObservation {
    return translate(() => observation(this.#raw.observe()));
  }
  /** See VecEnvBackend. */
  async stepChunk(
    actions: Tensor,
    limit: Int32Array,
    { pictures = true, filmed, signal }: ChunkOptions = {},
  ): Promise<BackendChunkResult> {
    signal?.throwIfAborted();
    return translateAsync(async () => {
      const result = await this.#raw.stepChunk(actions.raw, limit, pictures, filmed);
      const { frames, ...rest } = result;
      return {
        ...rest,
        observation: observation(result.observation),
        ...(frames !== undefined && { frames: new Tensor<'uint8'>(frames) }),
      };
    });
  }
  /** One environment's inside, for comparison with other implementations. */
  interior(env: number): EnvironmentInterior {
    return translate(() => this.#raw.interior(env));
  }
  /**
   * @internal for `debug expert` and `debug demonstrations`
   *
   * What the backend's scripted expert does next in each environment, to be called once a step; its
   * memory of an episode begins with a restore.
   *
   * @param errands [B], which object it is to fetch; 0: the task's own
   * @throws UsageError ERR_DSRL_ENV_INPUT: the backend has no expert
   */
  expertStep(errands: Int32Array): ExpertStep {
    return translate(() => {
      const { actions, phases } = this.#raw.expertStep(errands);
      return { actions: new Tensor<'float64'>(actions), phases };
    });
  }
  /** The state of all environments, for a checkpoint. */
  saveState(): Float64Array {
    return translate(() => this.#raw.saveState());
  }
  /** Takes up what `saveState` gave. */
  loadState(state: Float64Array): void {
    translate(() => this.#raw.loadState(state));
  }

  /**
   * Gives simulation and drawing contexts back once no call is under way. Idempotent; later calls
   * are ERR_DSRL_DISPOSED errors.
   */
  dispose(): void {
    this.#raw.dispose();
  }
  /** `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Sizes, seed and cameras of the embedded environment. */
export interface TabletopOptions {
  numEnvs: number;
  /** The benchmark's (env.*.seed), not a run's. */
  seed: bigint;
  /** Side of the pictures, 8 to 1024. */
  imageSize: number;
  /** `main` (alone, unless given) from above, `wrist` a square of side .25 around the gripper. */
  cameras?: readonly string[];
  /** Side of a chunk's frames, 8 to 1024; 0: there are none. */
  frameSize?: number;
}

/** The embedded default environment (core/env/tabletop.h). */
export class TabletopBackend extends NativeBackend {
  constructor(runtime: Runtime, options: TabletopOptions) {
    super(runtime, 'tabletop', { cameras: ['main'], frameSize: 0, ...options });
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

/** A draw of a named stream; see `randomNormal` and `randomUniform`. */
export type RandomDraw = (
  runtime: Runtime,
  seed: bigint,
  stream: string,
  step: number,
  rows: number,
  columns: number,
) => Tensor<'float32'>;

/** Standard normals [rows, columns] of a named stream at `step`; row e is env e's draw. */
export const randomNormal: RandomDraw = ({ binding }, ...draw) =>
  translate(() => new Tensor<'float32'>(binding.randomNormal(...draw)));

/** Uniform in [0, 1), [rows, columns], of a named stream at `step`; row e is env e's draw. */
export const randomUniform: RandomDraw = ({ binding }, ...draw) =>
  translate(() => new Tensor<'float32'>(binding.randomUniform(...draw)));
