import { type Limits, type TimedOut, withinDeadline } from '../deadline.js';
import { RuntimeFailure } from '../errors.js';
import type { Packable } from './decode.js';
import { NdArray } from './ndarray.js';
import { liberoKeys, type ObservationKeys } from './openpi-keys.js';
import { ProtocolError } from './protocol-error.js';
import { type ConnectOptions, WireClient } from './wire-client.js';

export interface RemoteObservation {
  /** RGB, row by row. */
  images: Readonly<Record<string, { data: Uint8Array; height: number; width: number }>>;
  state: ArrayLike<number>;
  prompt: string;
}

export interface RemoteChunk {
  /** Robot actions, row by row. */
  actions: Float32Array;
  /** [horizon, action_dim] */
  shape: readonly number[];
  timedOut?: false;
}

export interface RemotePolicyOptions extends ConnectOptions {
  /** The keys of the requests; openpi's for LIBERO unless given. */
  keys?: ObservationKeys;
}

/**
 * A policy behind openpi's websocket protocol, with the interface of a local one.
 *
 *     using policy = await RemotePolicy.connect('ws://robot:8000');
 *     const { actions, shape } = await policy.infer({ images, state, prompt });
 *
 * A connection that ends is made anew by the next request.
 */
export class RemotePolicy implements Disposable {
  private constructor(
    private readonly client: WireClient,
    private readonly keys: ObservationKeys | undefined,
  ) {}

  /** @throws RuntimeFailure ERR_DSRL_REMOTE_UNREACHABLE */
  static async connect(url: string, options: RemotePolicyOptions = {}): Promise<RemotePolicy> {
    const client = new WireClient(url, options);
    await client.connect();
    return new RemotePolicy(client, options.keys);
  }

  /** What the server said of itself. */
  get metadata(): Packable {
    return this.client.metadata;
  }

  /**
   * @param options `deadlineMs` milliseconds after which the answer is `{ timedOut: true }`
   * @throws RuntimeFailure ERR_DSRL_REMOTE_FAILED with the server's words, _DISCONNECTED;
   *   _NOT_FINITE if an action is no finite number: none leaves
   */
  infer(
    observation: RemoteObservation,
    options: { signal?: AbortSignal; deadlineMs: number },
  ): Promise<RemoteChunk | TimedOut>;
  infer(observation: RemoteObservation, options?: { signal?: AbortSignal }): Promise<RemoteChunk>;
  infer(observation: RemoteObservation, options: Limits = {}): Promise<RemoteChunk | TimedOut> {
    return withinDeadline(options, (signal) => this.ask(observation, signal));
  }

  private async ask(observation: RemoteObservation, signal?: AbortSignal): Promise<RemoteChunk> {
    const { images, state, prompt } = observation;
    const keys = this.keys ?? liberoKeys(Object.keys(images));
    const request: Record<string, Packable> = { [keys.prompt]: prompt };
    for (const [camera, { data, height, width }] of Object.entries(images)) {
      const key = keys.images[camera];
      if (key !== undefined) request[key] = new NdArray(data, [height, width, 3]);
    }
    const [stateKey = 'state'] = typeof keys.state === 'string' ? [keys.state] : keys.state;
    request[stateKey] = new NdArray(Float32Array.from(state), [state.length]);
    const answer = await this.client.request(request, signal);
    const actions = (answer as { actions?: unknown } | null)?.actions;
    if (actions instanceof NdArray) {
      return { actions: finite(actions.toFloat32()), shape: actions.shape };
    }
    throw new ProtocolError('ERR_DSRL_WIRE_ANSWER', 'the answer has no array `actions`', {
      hint: "see that the server speaks openpi's protocol",
    });
  }

  dispose(): void {
    this.client.close();
  }
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** Other servers than ours may let such actions through; a robot must not get them. */
function finite(actions: Float32Array): Float32Array {
  const strange = actions.findIndex((value) => !Number.isFinite(value));
  if (strange < 0) return actions;
  throw new RuntimeFailure(
    'ERR_DSRL_REMOTE_NOT_FINITE',
    `actions[${strange}] of the server's answer is ${actions[strange]}`,
    { hint: "check the state against the statistics of the server's policy" },
  );
}
