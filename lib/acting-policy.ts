import type { TimedOut } from './deadline.js';
import type { Tensor } from './native/index.js';

/**
 * One camera's picture, RGB, row by row: with its size, `height * width * 3` bytes; the bytes alone
 * where the policy has a size of its own; or a tensor.
 */
export type ActingPicture =
  | { data: Uint8Array; height: number; width: number }
  | Uint8Array
  | Tensor<'uint8'>;

/** What a robot sees and is told at one moment, in the form that every policy takes. */
export interface ActingObservation {
  /** Camera -> picture; cameras that the policy does not take are left alone. */
  images: Readonly<Record<string, ActingPicture>>;
  /** Raw proprioception, [state_dim], in the units of the data that the policy was trained on. */
  state: ArrayLike<number>;
  prompt: string;
}

/** Actions that follow one another, un-normalised, row by row; `shape` [horizon, action_dim]. */
export interface ActingChunk {
  actions: Float32Array;
  shape: readonly number[];
  timedOut?: false;
}

/**
 * What a control loop asks of a policy, be it on this machine (`Policy`) or on another
 * (`RemotePolicy`): code that is written for it runs with both.
 *
 * `Policy` alone has what openpi's protocol has no words for: `inferSync` (an answer of the network
 * cannot be waited for without turning the event loop), and noise, steps and sampling by the call.
 */
export interface ActingPolicy extends Disposable {
  /** `deadlineMs` milliseconds after which the answer is `{ timedOut: true }`, never a late one. */
  infer(
    observation: ActingObservation,
    options: { signal?: AbortSignal; deadlineMs: number },
  ): Promise<ActingChunk | TimedOut>;
  /** A chunk of actions for one observation; an abort rejects with the signal's reason. */
  infer(observation: ActingObservation, options?: { signal?: AbortSignal }): Promise<ActingChunk>;
  /** One chunk for each observation, in their order; what is wrong with one refuses them all. */
  inferBatch(
    observations: readonly ActingObservation[],
    options?: { signal?: AbortSignal },
  ): Promise<ActingChunk[]>;
  /** Makes the first `infer` with this prompt a quick one. */
  prepare(prompt: string, options?: { signal?: AbortSignal }): Promise<void>;
  /** Gives the weights or the connection back. Idempotent; later calls are errors. */
  dispose(): void;
}
