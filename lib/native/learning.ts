import { type Abortable, abortable } from '../signal.js';
import type {
  LearnerSettings,
  NetworkSizes,
  RawAgent,
  RawLearner,
  RawReplay,
  RawTensor,
  UpdateRow,
} from './binding.js';
import { translate, translateAsync } from './errors.js';
import type { Runtime } from './runtime.js';
import { Tensor } from './tensor.js';

/** What the agent sees: its frame uint8 [B, S, S, 3] (null without an image encoder) and state. */
export interface AgentObservation {
  frame: Tensor | null;
  state: Tensor;
}

/** How an agent acts. */
export interface ActOptions extends Abortable {
  /** Keys the draw. */
  step: number;
  /** True: the mean of the distribution; false, the default, draws from it. */
  deterministic?: boolean;
}

/** The acting agent: its own copy of the actor, stamped with the learner's version. */
export class Agent implements Disposable {
  /** @internal */
  readonly raw: RawAgent;

  constructor(runtime: Runtime, sizes: NetworkSizes, seed: bigint) {
    this.raw = translate(() => new runtime.binding.Agent(sizes, seed, runtime.device));
  }

  /**
   * Noise [B, 32] in (-b, b), float32 on the runtime's device.
   * `step` keys the draw: row e takes the stream "agent.act" at (step, env e).
   *
   * It is too short to be stopped within: an abort during it rejects once it is done.
   */
  async act(observation: AgentObservation, options: ActOptions): Promise<Tensor<'float32'>> {
    const { frame, state } = observation;
    const { step, deterministic = false, signal } = options;
    const act = () => this.raw.act(frame?.raw ?? null, state.raw, step, deterministic);
    const discard = (noise: RawTensor) => noise.dispose();
    return new Tensor<'float32'>(await abortable(signal, () => translateAsync(act), { discard }));
  }

  /** Takes the actor of an `agent.safetensors`. */
  load(file: string, version: number): void {
    translate(() => this.raw.load(file, version));
  }

  get version(): number {
    return translate(() => this.raw.version());
  }

  /**
   * Gives the weights back once no call is under way. Idempotent; later calls are
   * ERR_DSRL_DISPOSED errors.
   */
  dispose(): void {
    this.raw.dispose();
  }
  /** `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** A step of all environments as the replay takes it; arrays have one entry an environment. */
export interface ReplayRows {
  frame: Tensor | null;
  state: Tensor;
  nextFrame: Tensor | null;
  nextState: Tensor;
  noise: Tensor;
  /** Of the whole chunk; finite. */
  rewards: Float32Array;
  /** Environment steps that the chunk executed, 0 or more. */
  steps: Int32Array;
  /** 1: the episode ended for good, and s' has no value; else 0. */
  terminated: Uint8Array;
  /** 0: the row is not stored. */
  active: Uint8Array;
  /** Version of the acting weights. */
  version: number;
}

/** The newest transitions, observations stored once in uint8. */
export class Replay implements Disposable {
  /** @internal */
  readonly raw: RawReplay;

  constructor(
    runtime: Runtime,
    sizes: NetworkSizes,
    capacity: number,
    numEnvs: number,
    device = 'cpu',
  ) {
    this.raw = translate(() => new runtime.binding.Replay(sizes, capacity, numEnvs, device));
  }

  /**
   * Stores one transition a row, or none.
   * @throws UsageError ERR_DSRL_REPLAY_SHAPE, ERR_DSRL_REPLAY_VALUE: what does not fit, and where
   */
  append(rows: ReplayRows): void {
    translate(() =>
      this.raw.append({
        images: rows.frame?.raw ?? null,
        states: rows.state.raw,
        nextImages: rows.nextFrame?.raw ?? null,
        nextStates: rows.nextState.raw,
        noise: rows.noise.raw,
        rewards: rows.rewards,
        steps: rows.steps,
        terminated: rows.terminated,
        active: rows.active,
        version: rows.version,
      }),
    );
  }

  /** Transitions held. */
  get size(): number {
    return translate(() => this.raw.size());
  }
  /** Transitions ever appended. */
  get total(): number {
    return translate(() => this.raw.total());
  }
  get capacity(): number {
    return translate(() => this.raw.capacity());
  }

  /**
   * Writes segments into `folder`; those that `previous` holds already are linked, and written
   * where its index is damaged. Waits for an update that reads this replay, and lets what acts wait
   * behind it. An abort rejects once all of them are there: what stands on disk is whole.
   */
  save(folder: string, previous = '', { signal }: Abortable = {}): Promise<void> {
    return abortable(signal, () => translateAsync(() => this.raw.save(folder, previous)));
  }
  /**
   * Restores what `save` wrote, into an empty replay, which is empty again if that fails. An abort
   * rejects once it is restored: a replay is empty or whole.
   */
  load(folder: string, { signal }: Abortable = {}): Promise<void> {
    return abortable(signal, () => translateAsync(() => this.raw.load(folder)));
  }

  /**
   * Gives the memory back once no call is under way. Idempotent; later calls are
   * ERR_DSRL_DISPOSED errors.
   */
  dispose(): void {
    this.raw.dispose();
  }
  /** `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * The soft actor-critic learner. Updates, the look at every weight and the writing of files run on
 * a native thread of its own, in the order of the calls. But for updates none can be stopped
 * within: an abort rejects once the call is done, and a file that it wrote is whole.
 */
export class Learner implements Disposable {
  readonly #raw: RawLearner;
  readonly #runtime: Runtime;

  constructor(runtime: Runtime, settings: LearnerSettings, seed: bigint) {
    this.#runtime = runtime;
    this.#raw = translate(() => new runtime.binding.Learner(settings, seed, runtime.device));
  }

  /**
   * `count` updates in one native call, off the event loop; a row of metrics for each that was
   * made. After `signal` aborts it stops between two updates and resolves with what was done.
   */
  async update(count: number, replay: Replay, options: Abortable = {}): Promise<UpdateRow[]> {
    const { signal } = options;
    if (signal?.aborted) return [];
    // A flag of its own: an earlier call may still run, or a later one wait.
    const cancellation = new this.#runtime.binding.Cancellation();
    const cancel = () => cancellation.cancel();
    const rows = translateAsync(() => this.#raw.update(count, replay.raw, cancellation));
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return await rows;
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }

  /** Copies the actor into the acting agent. */
  publish(agent: Agent): void {
    translate(() => this.#raw.publish(agent.raw));
  }
  /** Whether every weight and moment is finite. */
  finite({ signal }: Abortable = {}): Promise<boolean> {
    return abortable(signal, () => translateAsync(() => this.#raw.finite()));
  }
  /** Updates made so far. */
  get updates(): number {
    return translate(() => this.#raw.updates());
  }
  set updates(count: number) {
    translate(() => this.#raw.setUpdates(count));
  }
  get parameterCounts(): { actor: number; critic: number; heads: number } {
    return translate(() => this.#raw.parameterCounts());
  }
  /** One update on the tensors of a file, at once (`debug replay-updates`). */
  updateFromFile(file: string): UpdateRow {
    return translate(() => this.#raw.updateFromFile(file));
  }
  /** Writes the agent's weights, as safetensors. */
  saveAgent(file: string, { signal }: Abortable = {}): Promise<void> {
    return abortable(signal, () => translateAsync(() => this.#raw.saveAgent(file)));
  }
  /** Reads what `saveAgent` wrote. */
  loadAgent(file: string): void {
    translate(() => this.#raw.loadAgent(file));
  }
  /** Writes the target network's weights. */
  saveTarget(file: string, { signal }: Abortable = {}): Promise<void> {
    return abortable(signal, () => translateAsync(() => this.#raw.saveTarget(file)));
  }
  /** Reads what `saveTarget` wrote. */
  loadTarget(file: string): void {
    translate(() => this.#raw.loadTarget(file));
  }
  /** The target critic becomes a copy of the critic. */
  resetTarget(): void {
    translate(() => this.#raw.resetTarget());
  }
  /** Writes the optimizers' moments and counters. */
  saveOptimizer(file: string, { signal }: Abortable = {}): Promise<void> {
    return abortable(signal, () => translateAsync(() => this.#raw.saveOptimizer(file)));
  }
  /** Reads what `saveOptimizer` wrote. */
  loadOptimizer(file: string): void {
    translate(() => this.#raw.loadOptimizer(file));
  }

  /**
   * Gives the weights and the thread back once no call is under way. Idempotent; later calls are
   * ERR_DSRL_DISPOSED errors.
   */
  dispose(): void {
    this.#raw.dispose();
  }
  /** `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
