import { DivergedError, RuntimeFailure, UsageError } from '../errors.js';
import { type Runtime, Tensor, type VecEnvBackend } from '../native/index.js';
import { type Observation, toObservation } from './observation.js';
import { type ChunkReward, chunkReward } from './reward.js';
import type { ResetSource } from './schedule.js';

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

  constructor(options: EnvironmentsOptions) {
    this.#options = options;
  }

  get numEnvs(): number {
    return this.#options.backend.numEnvs;
  }

  /** Whether every environment has finished; with `autoReset` none ever waits. */
  get allDone(): boolean {
    return this.#slots.every(({ done }) => done);
  }

  /** Every environment takes its next reset. */
  async reset(): Promise<Observation> {
    const { backend } = this.#options;
    this.#slots = [];
    for (let env = 0; env < backend.numEnvs; env++) this.#slots.push(await this.#restore(env));
    this.#started = true;
    return this.observe();
  }

  /** With `autoReset` goes on where the last rollout stopped, otherwise resets all of them. */
  startRollout(): Promise<Observation> {
    return this.#options.autoReset && this.#started ? this.observe() : this.reset();
  }

  /** What the environments show now. */
  async observe(): Promise<Observation> {
    const { backend, runtime, frameSize } = this.#options;
    return toObservation(runtime, await backend.observe(), frameSize, this.#prompts());
  }

  /**
   * @param actions float32 [B, H, action_dim], H >= C; stays the caller's
   * @throws DivergedError if the actions or the environment's output are not finite
   */
  async stepChunk(actions: Tensor<'float32'>): Promise<StepResult> {
    const { backend, chunk, maxEpisodeSteps, runtime, frameSize } = this.#options;
    const limit = Int32Array.from(this.#slots, ({ done, elapsed }) =>
      done ? 0 : Math.min(chunk, maxEpisodeSteps - elapsed),
    );
    const trimmed = firstActions(runtime, actions, chunk);
    if (!trimmed.isFinite()) {
      throw new DivergedError('the policy returned actions that are not finite', {
        hint: 'look at its normalisation in policy.json and at what the cameras show',
      });
    }
    const stepped = await backend.stepChunk(trimmed, limit);
    if (trimmed !== actions) trimmed.dispose();
    const next = toObservation(runtime, stepped.observation, frameSize, this.#prompts());

    const count = backend.numEnvs;
    const result: StepResult = {
      obs: next,
      next,
      rewards: new Float32Array(count),
      steps: new Int32Array(count),
      terminated: new Uint8Array(count),
      active: new Uint8Array(count),
      episodes: [],
      envSteps: 0,
      chunks: 0,
    };
    let restored = false;
    for (const [env, slot] of this.#slots.entries()) {
      if (limit[env] === 0) continue;
      this.#checkStep(env, limit, stepped);
      const executed = stepped.executed[env] as number;
      this.#account(env, slot, executed, stepped.success[env * chunk + executed - 1] === 1, result);
      if (!slot.done || !this.#options.autoReset) continue;
      this.#slots[env] = await this.#restore(env);
      restored = true;
    }
    if (restored) result.obs = await this.observe();
    return result;
  }

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

  /** Goes on from `save`; a backend that cannot give its state begins its episodes anew. */
  async load(state: EnvironmentsState): Promise<void> {
    const { backend, schedule } = this.#options;
    schedule.position = state.position;
    this.#slots = state.slots.map((slot) => ({ ...slot }));
    this.#started = state.started;
    if (!state.started) return;
    for (const [env, slot] of this.#slots.entries()) {
      await backend.restore(env, slot.task, slot.trial);
    }
    if (state.backend !== null && backend.loadState !== undefined) {
      backend.loadState(Float64Array.from(state.backend));
      return;
    }
    for (const slot of this.#slots) Object.assign(slot, { elapsed: 0, return: 0 });
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

  #checkStep(
    env: number,
    limit: Int32Array,
    stepped: { executed: Int32Array; failure: Int32Array },
  ): void {
    const executed = stepped.executed[env] ?? 0;
    const failure = stepped.failure[env] ?? 0;
    if (failure === 0 && executed >= 1 && executed <= (limit[env] as number)) return;
    const what = failure === 0 ? `ran ${executed} of ${limit[env]} steps` : `code ${failure}`;
    throw new RuntimeFailure('ERR_DSRL_ENVIRONMENT', `environment ${env} failed: ${what}`, {
      hint: 'look at the environment, then go on from the last checkpoint with --resume last',
    });
  }

  /** Puts an environment into its next reset; without one it waits in the first environment's. */
  async #restore(env: number): Promise<Slot> {
    const reset = this.#options.schedule.next();
    const { task, trial } = reset ?? this.#slots[0] ?? { task: 0, trial: 0 };
    await this.#options.backend.restore(env, task, trial);
    return { task, trial, elapsed: 0, return: 0, done: reset === null };
  }

  #prompts(): string[] {
    return this.#slots.map(({ task }) => this.#options.backend.prompt?.(task) ?? '');
  }
}

/** [B, H, A] -> [B, C, A] on the host, where the environments are; the same handle if it fits. */
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
  const all = actions.read() as Float32Array;
  const first = new Float32Array(envs * chunk * width);
  for (let env = 0; env < envs; env++) {
    const from = env * horizon * width;
    first.set(all.subarray(from, from + chunk * width), env * chunk * width);
  }
  return Tensor.from(runtime, first, [envs, chunk, width]);
}
