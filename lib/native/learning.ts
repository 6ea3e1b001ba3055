import type {
  LearnerSettings,
  NetworkSizes,
  RawAgent,
  RawLearner,
  RawReplay,
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
export interface ActOptions {
  /** Keys the draw. */
  step: number;
  /** True: the mean of the distribution; false, the default, draws from it. */
  deterministic?: boolean;
}

/** The acting agent: its own copy of the actor, stamped with the learner's version. */
export class Agent {
  /** @internal */
  readonly raw: RawAgent;

  constructor(runtime: Runtime, sizes: NetworkSizes, seed: bigint) {
    this.raw = translate(() => new runtime.binding.Agent(sizes, seed, runtime.device));
  }

  /**
   * Noise [B, 32] in (-b, b), float32 on the runtime's device.
   * `step` keys the draw: row e takes the stream "agent.act" at (step, env e).
   */
  act(observation: AgentObservation, options: ActOptions): Promise<Tensor<'float32'>> {
    return translateAsync(async () => {
      const { frame, state } = observation;
      const { step, deterministic = false } = options;
      const noise = await this.raw.act(frame?.raw ?? null, state.raw, step, deterministic);
      return new Tensor<'float32'>(noise);
    });
  }

  /** Takes the actor of an `agent.safetensors`. */
  load(file: string, version: number): void {
    translate(() => this.raw.load(file, version));
  }

  get version(): number {
    return this.raw.version();
  }
}

/** A step of all environments as the replay takes it; arrays have one entry an environment. */
export interface ReplayRows {
  frame: Tensor | null;
  state: Tensor;
  nextFrame: Tensor | null;
  nextState: Tensor;
  noise: Tensor;
  rewards: Float32Array;
  steps: Int32Array;
  terminated: Uint8Array;
  /** 0: the row is not stored. */
  active: Uint8Array;
  /** Version of the acting weights. */
  version: number;
}

/** The newest transitions, observations stored once in uint8. */
export class Replay {
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

  /** Stores one transition a row. */
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
    return this.raw.size();
  }
  /** Transitions ever appended. */
  get total(): number {
    return this.raw.total();
  }
  get capacity(): number {
    return this.raw.capacity();
  }

  /** Writes segments into `folder`; those that `previous` holds already are linked. */
  save(folder: string, previous = ''): Promise<void> {
    return translateAsync(() => this.raw.save(folder, previous));
  }
  /** Restores what `save` wrote, into an empty replay. */
  load(folder: string): Promise<void> {
    return translateAsync(() => this.raw.load(folder));
  }
}

/**
 * The soft actor-critic learner. Updates, the look at every weight and the writing of files run on a
 * native thread of its own, in the order of the calls.
 */
export class Learner {
  readonly #raw: RawLearner;

  constructor(runtime: Runtime, settings: LearnerSettings, seed: bigint) {
    this.#raw = translate(() => new runtime.binding.Learner(settings, seed, runtime.device));
  }

  /**
   * `count` updates in one native call, off the event loop; a row of metrics for each that was
   * made. After `signal` aborts it stops between two updates and resolves with what was done.
   */
  async update(
    count: number,
    replay: Replay,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<UpdateRow[]> {
    const { signal } = options;
    if (signal?.aborted) return [];
    const cancel = () => this.#raw.cancel();
    const rows = translateAsync(() => this.#raw.update(count, replay.raw));
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
  finite(): Promise<boolean> {
    return translateAsync(() => this.#raw.finite());
  }
  /** Updates made so far. */
  get updates(): number {
    return this.#raw.updates();
  }
  set updates(count: number) {
    translate(() => this.#raw.setUpdates(count));
  }
  get parameterCounts(): { actor: number; critic: number; heads: number } {
    return this.#raw.parameterCounts();
  }
  /** One update on the tensors of a file, at once (`debug replay-updates`). */
  updateFromFile(file: string): UpdateRow {
    return translate(() => this.#raw.updateFromFile(file));
  }
  /** Writes the agent's weights, as safetensors. */
  saveAgent(file: string): Promise<void> {
    return translateAsync(() => this.#raw.saveAgent(file));
  }
  /** Reads what `saveAgent` wrote. */
  loadAgent(file: string): void {
    translate(() => this.#raw.loadAgent(file));
  }
  /** Writes the target network's weights. */
  saveTarget(file: string): Promise<void> {
    return translateAsync(() => this.#raw.saveTarget(file));
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
  saveOptimizer(file: string): Promise<void> {
    return translateAsync(() => this.#raw.saveOptimizer(file));
  }
  /** Reads what `saveOptimizer` wrote. */
  loadOptimizer(file: string): void {
    translate(() => this.#raw.loadOptimizer(file));
  }
}
