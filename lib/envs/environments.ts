import { DivergedError, RuntimeFailure, UsageError } from '../errors.js';
import { type Runtime, succeeded, Tensor, type VecEnvBackend } from '../native/index.js';
import { type Abortable, abortable } from '../signal.js';
import { type EnvironmentFailure, FAILURE, isBegunAgain, LOSSES_ALLOWED } from './failure.js';
import { type Film, Filming } from './film.js';
import { type Observation, toObservation } from './observation.js';
import { type ChunkReward, chunkReward } from './reward.js';
import type { ResetSource } from './schedule.js';

/** How many environments there are, what they are reset to, and how long an episode may be. */
export interface EnvironmentsOptions {
  runtime: Runtime;
  backend: VecEnvBackend;
  schedule: ResetSource;
  /** Actions that run open loop in one decision, C. */
  chunk: number;
  maxEpisodeSteps: number;
  /** True: a finished environment resets at the chunk's border; false: it waits. */
  autoReset: boolean;
  chunkReward: ChunkReward;
  gamma: number;
  /** Side of the agent's frame; 0: no picture. */
  frameSize: number;
  /**
   * How often a backend that has a `settlingAction` is sent it after every reset (0 unless given).
   * These steps are no part of the episode.
   */
  warmUpSteps?: number | undefined;
  /** Films the episodes, but for the warm-up. */
  film?: Film | undefined;
}

/** An episode that has ended, by success or by its length. */
export interface EpisodeRecord {
  task: number;
  trial: number;
  success: boolean;
  /** Sum of the steps' rewards, -1 each and 0 on success. */
  return: number;
  /** Environment steps, the succeeding one included. */
  length: number;
}

/** One chunk of all environments; arrays have one entry an environment. */
export interface StepResult {
  /** What to act on next, after resets. It is `next` itself where nothing was reset. */
  obs: Observation;
  /** As the chunk ended, before any reset; what the replay stores. */
  next: Observation;
  rewards: Float32Array;
  /** Environment steps that ran. */
  steps: Int32Array;
  /** 1 after success. Reaching the episode's length is no termination: it bootstraps. */
  terminated: Uint8Array;
  /** 0 for an environment that waited; nothing of it is stored. */
  active: Uint8Array;
  episodes: EpisodeRecord[];
  failures: EnvironmentFailure[];
  /** Steps and chunks over all environments. */
  envSteps: number;
  chunks: number;
}

interface Slot {
  task: number;
  trial: number;
  elapsed: number;
  return: number;
  done: boolean;
}

/** Everything that a resumed run needs, as JSON. */
export interface EnvironmentsState {
  position: number;
  started: boolean;
  slots: Slot[];
  /** The backend's own state; null where it has none to give. */
  backend: number[] | null;
}

/**
 * The semantics of episodes, once, above every backend: resets, rewards, ends and their records.
 * One call at a time; the observations that it returns belong to the caller.
 */
export class Environments {
  readonly #options: EnvironmentsOptions;
  #slots: Slot[] = [];
  #started = false;
  /** Losses of each environment since it last finished a chunk. */
  #losses: number[] = [];

  constructor(options: EnvironmentsOptions) {
    this.#options = options;
  }

  get numEnvs(): number {
    return this.#options.backend.numEnvs;
  }

  /** Seconds in which somebody had the backend wait, since it was made. */
  get pausedSeconds(): number {
    return this.#options.backend.pausedSeconds ?? 0;
  }

  /** Whether every environment has finished; with `autoReset` none ever waits. */
  get allDone(): boolean {
    return this.#slots.every(({ done }) => done);
  }

  /**
   * Every environment takes its next reset. An abort between two of them gives all of them back:
   * the next call is another `reset` or a `load`.
   */
  reset({ signal }: Abortable = {}): Promise<Observation> {
    return this.#anew(signal, async () => {
      const envs = Array.from({ length: this.numEnvs }, (_, env) => env);
      this.#slots = [];
      for (const env of envs) this.#slots[env] = this.#nextSlot();
      this.#losses = envs.map(() => 0);
      await this.#begin(envs, { signal, until: signal });
      this.#started = true;
      return this.observe({ signal });
    });
  }

  /** With `autoReset` goes on where the last rollout stopped, otherwise resets all of them. */
  startRollout(options: Abortable = {}): Promise<Observation> {
    return this.#options.autoReset && this.#started ? this.observe(options) : this.reset(options);
  }

  /** What the environments show now. */
  observe({ signal }: Abortable = {}): Promise<Observation> {
    const { backend, runtime, frameSize } = this.#options;
    const look = async () => {
      const shown = await backend.observe({ signal });
      const running = this.#slots.map(({ done }) => !done);
      return toObservation(runtime, shown, frameSize, this.#prompts(), running);
    };
    return abortable(signal, look, { discard: (late) => late.dispose() });
  }

  /**
   * A chunk that has begun is completed, with the resets behind it, and counts. An abort rejects
   * then, and what the chunk showed is given up: `observe` goes on from there.
   *
   * @param actions float32 [B, H, action_dim], H >= C; stays the caller's
   * @throws DivergedError if the actions or the environment's output are not finite
   */
  stepChunk(actions: Tensor<'float32'>, { signal }: Abortable = {}): Promise<StepResult> {
    const discard = ({ obs, next }: StepResult) => {
      obs.dispose();
      next.dispose();
    };
    return abortable(signal, () => this.#step(actions, signal), { discard });
  }

  async #step(actions: Tensor<'float32'>, signal: AbortSignal | undefined): Promise<StepResult> {
    const { backend, chunk, maxEpisodeSteps, runtime, frameSize, film } = this.#options;
    const limit = Int32Array.from(this.#slots, ({ done, elapsed }) =>
      done ? 0 : Math.min(chunk, maxEpisodeSteps - elapsed),
    );
    const trimmed = firstActions(runtime, actions, chunk);
    if (!trimmed.isFinite()) {
      throw new DivergedError('the policy returned actions that are not finite', {
        hint: 'look at its normalisation in policy.json and at what the cameras show',
      });
    }
    const filming = film && new Filming(film, this.#slots, limit);
    const wanted = { ...filming?.wanted, signal };
    const stepped = await backend.stepChunk(trimmed, limit, wanted).finally(() => {
      if (trimmed !== actions) trimmed.dispose();
    });
    const count = backend.numEnvs;
    const running = Array.from({ length: count }, (_, env) => {
      return limit[env] !== 0 && stepped.failure[env] === FAILURE.none;
    });
    const prompts = this.#prompts();
    const next = toObservation(runtime, stepped.observation, frameSize, prompts, running);

    const result: StepResult = {
      obs: next,
      next,
      rewards: new Float32Array(count),
      steps: new Int32Array(count),
      terminated: new Uint8Array(count),
      active: new Uint8Array(count),
      episodes: [],
      failures: [],
      envSteps: 0,
      chunks: 0,
    };
    const beginning: number[] = [];
    const ended: boolean[] = [];
    for (const [env, slot] of this.#slots.entries()) {
      if (limit[env] === 0) continue;
      const executed = stepped.executed[env] ?? 0;
      const failure = stepped.failure[env] ?? 0;
      if (failure === FAILURE.none) {
        this.#checkStep(env, executed, limit[env] as number);
        this.#account(env, slot, executed, succeeded(stepped, env, chunk), result);
      } else {
        this.#fail(env, slot, failure, executed, result);
      }
      ended[env] = slot.done;
      if (isBegunAgain(failure)) beginning.push(env);
      else if (slot.done && this.#options.autoReset) {
        this.#slots[env] = this.#nextSlot();
        beginning.push(env);
      }
    }
    await filming?.show(stepped, chunk, next.prompts, (env) => ended[env] === true);
    if (beginning.length > 0) {
      await this.#begin(beginning, { until: signal });
      result.obs = await this.observe();
    }
    return result;
  }

  /** What a checkpoint keeps of the episodes under way. */
  save(): EnvironmentsState {
    const { backend, schedule } = this.#options;
    const state = this.#started ? backend.saveState?.() : undefined;
    return {
      position: schedule.position,
      started: this.#started,
      slots: this.#slots.map((slot) => ({ ...slot })),
      backend: state === undefined ? null : Array.from(state),
    };
  }

  /**
   * Goes on from `save`; a backend that cannot give its state begins its episodes anew. After an
   * abort between two environments the next call is another `load` or a `reset`.
   */
  load(state: EnvironmentsState, { signal }: Abortable = {}): Promise<void> {
    return this.#anew(signal, async () => {
      const { backend, schedule } = this.#options;
      schedule.position = state.position;
      this.#slots = state.slots.map((slot) => ({ ...slot }));
      this.#started = state.started;
      this.#losses = state.slots.map(() => 0);
      if (!state.started) return;
      const envs = Array.from(this.#slots.keys());
      if (state.backend !== null && backend.loadState !== undefined) {
        for (const env of envs) await this.#restore(env, signal);
        backend.loadState(Float64Array.from(state.backend));
        return;
      }
      for (const slot of this.#slots) Object.assign(slot, { elapsed: 0, return: 0 });
      await this.#begin(envs, { signal, until: signal });
    });
  }

  /** Puts all environments elsewhere; where that is aborted they stand nowhere. */
  async #anew<Result>(
    signal: AbortSignal | undefined,
    body: () => Promise<Result>,
  ): Promise<Result> {
    signal?.throwIfAborted();
    const { schedule } = this.#options;
    const { position } = schedule;
    try {
      return await abortable(signal, body);
    } catch (error) {
      if (!signal?.aborted) throw error;
      schedule.position = position;
      this.#slots = [];
      this.#started = false;
      throw error;
    }
  }

  #account(env: number, slot: Slot, executed: number, success: boolean, result: StepResult): void {
    const { chunkReward: kind, gamma, maxEpisodeSteps } = this.#options;
    slot.elapsed += executed;
    slot.return -= success ? executed - 1 : executed;
    slot.done = success || slot.elapsed >= maxEpisodeSteps;
    result.active[env] = 1;
    result.steps[env] = executed;
    result.rewards[env] = chunkReward(kind, executed, success, gamma);
    result.terminated[env] = success ? 1 : 0;
    result.envSteps += executed;
    result.chunks += 1;
    if (!slot.done) return;
    const { task, trial, elapsed } = slot;
    result.episodes.push({ task, trial, success, return: slot.return, length: elapsed });
  }

  /** A chunk that did not go well: nothing of it is stored. */
  #fail(env: number, slot: Slot, failure: number, executed: number, result: StepResult): void {
    const { task, trial } = slot;
    if (isBegunAgain(failure)) {
      Object.assign(slot, { elapsed: 0, return: 0 });
      if (failure === FAILURE.interrupted) return;
      result.failures.push({ env, task, trial, kind: 'lost' });
      this.#countLoss(env);
      return;
    }
    if (failure !== FAILURE.failed) throw broken(env, `unknown failure code ${failure}`);
    result.failures.push({ env, task, trial, kind: 'failed' });
    const length = slot.elapsed + Math.max(executed, 1);
    result.episodes.push({ task, trial, success: false, return: -length, length });
    slot.done = true;
  }

  #countLoss(env: number): void {
    const losses = (this.#losses[env] ?? 0) + 1;
    this.#losses[env] = losses;
    if (losses > LOSSES_ALLOWED) throw broken(env, `lost ${losses} times in a row`);
  }

  #checkStep(env: number, executed: number, limit: number): void {
    if (executed < 1 || executed > limit) throw broken(env, `ran ${executed} of ${limit} steps`);
    this.#losses[env] = 0;
  }

  /** What an environment does next; without a further reset it waits in the first one's. */
  #nextSlot(): Slot {
    const reset = this.#options.schedule.next();
    const { task, trial } = reset ?? this.#slots[0] ?? { task: 0, trial: 0 };
    return { task, trial, elapsed: 0, return: 0, done: reset === null };
  }

  /**
   * Puts environments at the start of their slots; one that is lost or interrupted meanwhile is
   * begun again. `signal` ends it between two of them; after `until` none is begun a second time.
   */
  async #begin(
    envs: readonly number[],
    { signal, until }: { signal?: AbortSignal | undefined; until: AbortSignal | undefined },
  ): Promise<void> {
    for (let left = envs; left.length > 0; ) {
      for (const env of left) await this.#restore(env, signal);
      const settling = left.filter((env) => this.#slots[env]?.done === false);
      const failure = await this.#settle(settling);
      if (until?.aborted) return;
      left = settling.filter((env) => failure[env] !== FAILURE.none);
      for (const env of left) if (failure[env] !== FAILURE.interrupted) this.#countLoss(env);
    }
  }

  async #restore(env: number, signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted();
    const { task, trial } = this.#slots[env] as Slot;
    await this.#options.backend.restore(env, task, trial, { signal });
  }

  /** The warm-up; returns what became of each environment in it. */
  async #settle(envs: readonly number[]): Promise<Int32Array> {
    const { backend, runtime, warmUpSteps: steps = 0 } = this.#options;
    const { numEnvs, actionDim, settlingAction } = backend;
    const limit = new Int32Array(numEnvs);
    if (settlingAction === undefined || steps === 0 || envs.length === 0) return limit;
    for (const env of envs) limit[env] = steps;
    const rows = Array.from({ length: numEnvs * steps }, () => settlingAction);
    const shape = [numEnvs, steps, actionDim];
    const actions = Tensor.from(runtime, Float32Array.from(rows.flat()), shape);
    const { observation, failure } = await backend.stepChunk(actions, limit);
    actions.dispose();
    for (const image of Object.values(observation.images)) image.dispose();
    observation.state.dispose();
    return failure;
  }

  #prompts(): string[] {
    return this.#slots.map(({ task }) => this.#options.backend.prompt?.(task) ?? '');
  }
}

function broken(env: number, what: string): RuntimeFailure {
  return new RuntimeFailure('ERR_DSRL_ENVIRONMENT', `environment ${env} failed: ${what}`, {
    hint: 'look at the environment, then go on from the last checkpoint with --resume last',
  });
}

/**
 * [B, H, A] -> [B, C, A] on the host, where the environments are, and contiguous, so that a backend
 * may view it; the same handle if it fits.
 */
function firstActions(
  runtime: Runtime,
  actions: Tensor<'float32'>,
  chunk: number,
): Tensor<'float32'> {
  const [envs = 0, horizon = 0, width = 0] = actions.shape;
  if (horizon < chunk) {
    throw new UsageError(
      'ERR_DSRL_ACTIONS',
      `the policy gives ${horizon} actions, a chunk needs ${chunk}`,
      { hint: `type \`actor.model.num_action_chunks=${horizon}\` or less` },
    );
  }
  if (horizon === chunk) return actions.device === 'cpu' ? actions : actions.to('cpu');
  const first = actions.slice(1, 0, chunk);
  const onHost = Tensor.from(runtime, first.read(), [envs, chunk, width], 'float32');
  first.dispose();
  return onHost;
}
