import { PolicyError, UsageError } from '../errors.js';
import { createRuntime, type Runtime } from '../native/index.js';
import { metadataOf, type PolicyMetadata } from './metadata.js';
import { drawnNoise, type Noise, type NoiseBatch, noiseBatch } from './noise.js';
import { FrozenPolicy } from './policy.js';
import { batchOf, type RobotObservation } from './robot-observation.js';
import { findSteered, readSteering, Steering, type SteeringFile } from './steering.js';

/** Actions that follow one another, as they go to the robot. */
export interface ActionChunk {
  /** Robot actions, un-normalised, row by row. */
  actions: Float32Array;
  /** [horizon, action_dim], or [M, horizon, action_dim] where several noises were given. */
  shape: readonly number[];
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
  /** Euler steps of the flow; those of training or the policy's own unless given. */
  numSteps?: number;
  /** Of a steered policy: false draws from the agent's distribution; true, the default, its mean. */
  deterministic?: boolean;
  /** Stops the call; its promise rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** What may be said of one call. */
export interface InferOptions extends CallOptions {
  /** In place of what the agent would choose, or of a draw from N(0, I). */
  noise?: Noise;
}

/** What may be said of one call for several observations. */
export interface InferBatchOptions extends CallOptions {
  /** One entry an observation, each with as many noises. */
  noise?: readonly Noise[];
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
 * Calls may overlap: they are computed one after another, off the event loop.
 */
export class Policy implements Disposable {
  readonly metadata: PolicyMetadata;
  private drawn = 0;

  private constructor(
    private readonly runtime: Runtime,
    private readonly frozen: FrozenPolicy,
    private readonly seed: bigint,
    private readonly steering: Steering | null,
  ) {
    this.metadata = metadataOf(frozen.metadata);
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
    const frozen = await FrozenPolicy.open(runtime, frozenFolder, signal);
    if (checkpoint === null || file === null) {
      return new Policy(runtime, frozen, seedOf(seed), null);
    }
    refuseOther(frozen, frozenFolder, file);
    const steering = new Steering(runtime, file, checkpoint, frozen.metadata.cameras[0]);
    return new Policy(runtime, frozen, seedOf(seed), steering);
  }

  /**
   * A chunk of actions for one observation, or M for M noises, which cost one pass over the
   * pictures and the prompt.
   *
   * Without `noise` the agent of a steered policy chooses it. That of a frozen policy alone is drawn
   * from N(0, I), as it was trained for: draw n of this object, counted from 0, is the stream
   * `policy` at (seed, step n, env 0).
   *
   * @throws PolicyError ERR_DSRL_POLICY_CONTRACT, naming what the policy declares and what was
   *   given; _TOKENIZER for a new prompt where the folder has no tokenizer; _NOT_FINITE if an action
   *   is not a finite number: none leaves; UsageError ERR_DSRL_NOISE, _NUM_STEPS, _DISPOSED
   */
  async infer(observation: RobotObservation, options: InferOptions = {}): Promise<ActionChunk> {
    const { noise, ...rest } = options;
    const batch = noise === undefined ? rest : { ...rest, noise: [noise] };
    const [chunk] = await this.inferBatch([observation], batch);
    return chunk as ActionChunk;
  }

  /**
   * As `infer`, for several observations at once: one chunk each, in their order. Noise that is
   * drawn is the stream's at env b for observation b.
   */
  async inferBatch(
    observations: readonly RobotObservation[],
    options: InferBatchOptions = {},
  ): Promise<ActionChunk[]> {
    const { noise, numSteps, signal } = options;
    signal?.throwIfAborted();
    if (observations.length === 0) return [];
    const held: Disposable[] = [];
    const hold = <T extends Disposable>(thing: T): T => {
      held.push(thing);
      return thing;
    };
    try {
      const batch = batchOf(this.runtime, this.frozen.metadata, observations, hold);
      const rows = observations.length;
      const { steering, frozen } = this;
      if (noise === undefined && steering !== null) {
        const steps = numSteps ?? steering.file.num_steps ?? undefined;
        const chosen = hold(await steering.noise(batch, options.deterministic ?? true));
        const actions = hold(await frozen.sample(batch, chosen, steps, signal));
        return this.chunks(actions.read(), rows, null);
      }
      const noises = this.noises(rows, noise);
      const initial = hold(noises.tensor);
      const actions = hold(await frozen.sample(batch, initial, numSteps, signal));
      return this.chunks(actions.read(), rows, noises.perObservation);
    } finally {
      for (const thing of held) thing[Symbol.dispose]();
    }
  }

  /** Gives the weights back once no call is under way. Idempotent; later calls are errors. */
  dispose(): void {
    this.frozen.dispose();
  }
  /** `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  private noises(rows: number, noise: readonly Noise[] | undefined): NoiseBatch {
    const { runtime, seed } = this;
    if (noise === undefined) {
      return drawnNoise(runtime, this.frozen.metadata, { seed, step: this.drawn++, rows });
    }
    if (noise.length === rows) return noiseBatch(runtime, this.frozen.metadata, noise);
    throw new UsageError(
      'ERR_DSRL_NOISE',
      `there are ${rows} observations and ${noise.length} entries of noise`,
      { hint: 'give one entry an observation' },
    );
  }

  private chunks(actions: Float32Array, rows: number, noises: number | null): ActionChunk[] {
    const inner = this.metadata.actions.shape;
    const shape = noises === null ? inner : [noises, ...inner];
    const size = actions.length / rows;
    return Array.from({ length: rows }, (_, row) => ({
      actions: actions.slice(row * size, (row + 1) * size),
      shape,
    }));
  }
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
