import type { ActingPolicy } from '../acting-policy.js';
import { type TimedOut, withinDeadline } from '../deadline.js';
import { PolicyError, UsageError } from '../errors.js';
import { createRuntime, type PolicyNoise, type Runtime } from '../native/index.js';
import type { Abortable } from '../signal.js';
import type { PolicyContract } from './contract.js';
import { metadataOf, type PolicyMetadata } from './metadata.js';
import { drawnNoise, type Noise, noiseBatch } from './noise.js';
import { FrozenPolicy } from './policy.js';
import { batchOf, type RobotObservation } from './robot-observation.js';
import { findSteered, readSteering, Steering, type SteeringFile } from './steering.js';

/** Actions that follow one another, as they go to the robot. */
export interface ActionChunk {
  /** Robot actions, un-normalised, row by row. */
  actions: Float32Array;
  /**
   * [horizon, action_dim], or [M, horizon, action_dim] where several noises were given. An agent
   * chooses well if only the first `metadata.steering.chunk` actions run before it is asked again.
   */
  shape: readonly number[];
  timedOut?: false;
}

/** Where a policy computes, and what its noise is drawn from. */
export interface PolicyLoadOptions {
  /** For a checkpoint: the frozen policy's folder, where it has moved since the training. */
  policy?: string;
  /** `auto` (a GPU if there is one), `cpu` or `cuda:N`. */
  device?: string;
  /** Of the noise that `infer` draws where none is given (0); 64 bits, not negative. */
  seed?: bigint | number;
  signal?: AbortSignal;
}

interface CallOptions {
  /** Euler steps of the flow, 1 to 1,000; `metadata.numSteps` unless given. */
  numSteps?: number;
  /** Of a steered policy: false draws from the agent's distribution; true, the default, its mean */
  deterministic?: boolean;
}

/** What may be said of a call that blocks. */
export interface InferSyncOptions extends CallOptions {
  /** In place of what the agent would choose, or of a draw from N(0, I). */
  noise?: Noise;
}

/** What may be said of one call. */
export interface InferOptions extends InferSyncOptions {
  /** Stops the call; its promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /** Milliseconds after which the answer is `{ timedOut: true }`: actions never come late. */
  deadlineMs?: number;
}

/** What may be said of one call for several observations. */
export interface InferBatchOptions extends CallOptions {
  /** Stops the call; its promise rejects with the signal's reason. */
  signal?: AbortSignal;
  /** One entry an observation, each with as many noises. */
  noise?: readonly Noise[];
  /**
   * Takes pictures of any size, also where policy.json declares one: they are made fit as openpi
   * makes them (bilinear, black borders). What the policy makes of them is the caller's to know.
   */
  anySize?: boolean;
}

/**
 * A frozen policy for a robot's own loop: camera pictures, state and prompt in, a chunk of actions
 * out, values of JavaScript on both sides. `FrozenPolicy`, on which it stands, takes and gives
 * handles of native memory.
 *
 *     const policy = await Policy.load('policies/pi0_libero');
 *     const { actions, shape } = await policy.infer({
 *       images: { main: { data, height: 256, width: 256 }, wrist },
 *       state: [x, y, z, ...rest],
 *       prompt: 'pick up the black bowl',
 *     });
 *
 * Calls may overlap: they are computed one after another, off the event loop. A control loop that
 * would rather wait than turn the event loop calls `inferSync`.
 */
export class Policy implements ActingPolicy {
  readonly metadata: PolicyMetadata;
  private drawn = 0;
  /** Calls under way, and whether the weights are to go with the last of them. */
  private calls = 0;
  private disposed = false;

  private constructor(
    private readonly runtime: Runtime,
    private readonly frozen: FrozenPolicy,
    private readonly seed: bigint,
    private readonly steering: Steering | null,
  ) {
    this.metadata = metadataOf(frozen.metadata, steering?.file ?? null);
  }

  /**
   * Opens the folder that `dsrl-native export` wrote, or a run or checkpoint of `train`: then an
   * agent chooses the noise and the frozen policy that it was trained on makes the actions.
   *
   * That policy is looked for where it lay in training, or in `options.policy`.
   *
   * @throws PolicyError ERR_DSRL_POLICY_MISSING, _DAMAGED, _HASH, _LOAD, _CONTRACT, _SPEC;
   *   TorchNotFoundError, EnvironmentSetupError if there is no torch or no such device
   */
  static async load(folder: string, options: PolicyLoadOptions = {}): Promise<Policy> {
    const { device, seed = 0, signal } = options;
    signal?.throwIfAborted();
    const checkpoint = findSteered(folder);
    const file = checkpoint === null ? null : readSteering(checkpoint);
    const runtime = createRuntime(device === undefined ? {} : { device });
    const frozenFolder = options.policy ?? file?.policy.folder ?? folder;
    const opening = FrozenPolicy.open(runtime, frozenFolder, { signal });
    const isRecorded = file !== null && options.policy === undefined;
    const frozen = await (isRecorded ? opening.catch(sayItMoved) : opening);
    if (checkpoint === null || file === null) {
      return new Policy(runtime, frozen, seedOf(seed), null);
    }
    let steering: Steering | undefined;
    try {
      refuseOther(frozen, frozenFolder, file);
      steering = new Steering(runtime, file, checkpoint);
      return new Policy(runtime, frozen, seedOf(seed), steering);
    } catch (error) {
      steering?.dispose();
      frozen.dispose();
      throw error;
    }
  }

  /**
   * A chunk of actions for one observation, or M for M noises, which cost one pass over the
   * pictures and the prompt.
   *
   * Without `noise` the agent of a steered policy chooses it. That of a frozen policy alone is
   * drawn from N(0, I), as it was trained for: draw n of this object, counted from 0, is the stream
   * `policy` at (seed, step n, env 0).
   *
   * @throws PolicyError ERR_DSRL_POLICY_CONTRACT, naming what the policy declares and what was
   *   given; _TOKENIZER for a new prompt where the folder has no tokenizer; _NOT_FINITE if an
   *   action is not a finite number: none leaves; UsageError ERR_DSRL_NOISE, _NUM_STEPS, _DISPOSED
   */
  infer(
    observation: RobotObservation,
    options: InferOptions & { deadlineMs: number },
  ): Promise<ActionChunk | TimedOut>;
  infer(observation: RobotObservation, options?: InferOptions): Promise<ActionChunk>;
  async infer(
    observation: RobotObservation,
    options: InferOptions = {},
  ): Promise<ActionChunk | TimedOut> {
    return withinDeadline(options, async (signal) => {
      const noise = options.noise === undefined ? undefined : [options.noise];
      const [chunk] = await this.chunks([observation], noise, options, signal);
      return chunk as ActionChunk;
    });
  }

  /**
   * As `infer`, for several observations at once: one chunk each, in their order. Noise that is
   * drawn is the stream's at env b for observation b.
   */
  async inferBatch(
    observations: readonly RobotObservation[],
    options: InferBatchOptions = {},
  ): Promise<ActionChunk[]> {
    return this.chunks(observations, options.noise, options, options.signal);
  }

  /**
   * As `infer`, and the event loop waits for it: for the control loop of a small policy. It stands
   * behind the calls that are under way. The prompt has to be one of policy.json, or used or
   * prepared before.
   *
   * @param out receives the actions; its length is the product of the chunk's shape
   * @returns `out`
   * @throws as `infer`; UsageError ERR_DSRL_OUTPUT for an `out` of another length
   */
  inferSync(
    observation: RobotObservation,
    out: Float32Array,
    options: InferSyncOptions = {},
  ): Float32Array {
    this.refuseDisposed();
    const { noise } = options;
    const batch = batchOf(this.frozen.metadata, [observation]);
    const { initial, numSteps, noises } = this.choose(1, noise && [noise], options);
    const size = this.chunkSize * (noises ?? 1);
    if (!(out instanceof Float32Array) || out.length !== size) {
      const what = `the actions are ${size} numbers, not ${out?.length}`;
      throw new UsageError('ERR_DSRL_OUTPUT', what, {
        hint: `give \`new Float32Array(${size})\``,
      });
    }
    return this.frozen.inferSync(batch, initial, out, numSteps);
  }

  /**
   * Turns a prompt into tokens before `inferSync` needs them. The first new prompt opens the
   * tokenizer, which a signal does not stop: the promise rejects when it is open.
   */
  async prepare(prompt: string, options: Abortable = {}): Promise<void> {
    options.signal?.throwIfAborted();
    this.refuseDisposed();
    await this.frozen.prepare(prompt, options);
  }

  /** Gives the weights back once no call is under way. Idempotent; later calls are errors. */
  dispose(): void {
    this.disposed = true;
    if (this.calls === 0) this.free();
  }
  /** `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  private free(): void {
    this.frozen.dispose();
    this.steering?.dispose();
  }

  private get chunkSize(): number {
    const [horizon, width] = this.metadata.actions.shape;
    return horizon * width;
  }

  private refuseDisposed(): void {
    if (!this.disposed) return;
    throw new UsageError('ERR_DSRL_DISPOSED', 'the policy has been disposed of', {
      hint: 'load it again, or dispose of it later',
    });
  }

  private async chunks(
    observations: readonly RobotObservation[],
    noise: readonly Noise[] | undefined,
    options: CallOptions & { anySize?: boolean },
    signal: AbortSignal | undefined,
  ): Promise<ActionChunk[]> {
    signal?.throwIfAborted();
    this.refuseDisposed();
    const rows = observations.length;
    if (rows === 0) return [];
    this.calls += 1;
    try {
      const batch = batchOf(declared(this.frozen.metadata, options.anySize), observations);
      const { initial, numSteps, noises } = this.choose(rows, noise, options);
      const actions = await this.frozen.infer(batch, initial, numSteps, { signal });
      const inner = this.metadata.actions.shape;
      const shape = noises === null ? inner : [noises, ...inner];
      if (rows === 1) return [{ actions, shape }];
      const size = actions.length / rows;
      return Array.from({ length: rows }, (_, row) => ({
        actions: actions.slice(row * size, (row + 1) * size),
        shape,
      }));
    } finally {
      this.calls -= 1;
      if (this.disposed && this.calls === 0) this.free();
    }
  }

  /** Where the flow begins and how many steps it takes; `noises`: see NoiseBatch.perObservation. */
  private choose(
    rows: number,
    noise: readonly Noise[] | undefined,
    { numSteps, deterministic = true }: CallOptions,
  ): { initial: PolicyNoise; numSteps: number; noises: number | null } {
    const { runtime, seed, steering } = this;
    const steps = numSteps ?? this.metadata.numSteps;
    if (noise === undefined && steering !== null) {
      return { initial: steering.noise(deterministic), numSteps: steps, noises: null };
    }
    if (noise !== undefined && noise.length !== rows) {
      throw new UsageError(
        'ERR_DSRL_NOISE',
        `there are ${rows} observations and ${noise.length} entries of noise`,
        { hint: 'give one entry an observation' },
      );
    }
    const sizes = this.frozen.metadata;
    const { values, perObservation } =
      noise === undefined
        ? drawnNoise(runtime, sizes, { seed, step: this.drawn++, rows })
        : noiseBatch(sizes, noise);
    return { initial: values, numSteps: steps, noises: perObservation };
  }
}

/** The native half makes every picture fit; that one of another size is refused is decided here. */
function declared(contract: PolicyContract, anySize = false): PolicyContract {
  const { image_resize } = contract;
  return anySize && image_resize === 'none' ? { ...contract, image_resize: 'openpi' } : contract;
}

/** A run that was copied to a robot names a folder of the machine that trained it. */
function sayItMoved(cause: unknown): never {
  if (!(cause instanceof PolicyError) || cause.code !== 'ERR_DSRL_POLICY_MISSING') throw cause;
  const message = `the frozen policy is not where it lay in training: ${cause.message}`;
  throw new PolicyError('ERR_DSRL_POLICY_MISSING', message, {
    hint: 'name its new place: `--policy DIR` of the command, `policy` in a program',
    cause,
  });
}

/** Steering another policy than the one of the training would be noise in the plain sense. */
function refuseOther(frozen: FrozenPolicy, folder: string, { policy }: SteeringFile): void {
  const found = frozen.metadata.sha256['policy.pt'];
  if (found === policy.sha256) return;
  throw new PolicyError(
    'ERR_DSRL_POLICY_HASH',
    `${folder} has the policy of sha256 ${found}, the agent was trained on ${policy.sha256}`,
    { hint: 'give the folder of that policy as `policy` (`--policy` of the command)' },
  );
}

function seedOf(seed: bigint | number): bigint {
  const whole = typeof seed === 'bigint' || Number.isSafeInteger(seed) ? BigInt(seed) : -1n;
  if (whole >= 0n && whole < 1n << 64n) return whole;
  throw new UsageError('ERR_DSRL_SEED', `the seed ${seed} is no whole number below 2^64`, {
    hint: 'give a number like 0, or a bigint like 12345678901234567890n',
  });
}
