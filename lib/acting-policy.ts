import type { TimedOut } from './deadline.js';

/** What a robot sees and is told at one moment, in the form that every policy takes. */
export interface ActingObservation {
  /** Camera -> RGB, row by row, `height * width * 3` bytes. */
  images: Readonly<Record<string, { data: Uint8Array; height: number; width: number }>>;
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
 */
export interface ActingPolicy extends Disposable {
  /** `deadlineMs` milliseconds after which the answer is `{ timedOut: true }`, never a late one. */
  infer(
    observation: ActingObservation,
    options: { signal?: AbortSignal; deadlineMs: number },
  ): Promise<ActingChunk | TimedOut>;
  /** A chunk of actions for one observation; an abort rejects with the signal's reason. */
  infer(observation: ActingObservation, options?: { signal?: AbortSignal }): Promise<ActingChunk>;
  /** Gives the weights or the connection back. Idempotent; later calls are errors. */
  dispose(): void;
}
