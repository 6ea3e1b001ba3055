import type { ActingPolicy } from '../acting-policy.js';
import { type Limits, type TimedOut, withinDeadline } from '../deadline.js';
import { PolicyError, RuntimeFailure } from '../errors.js';
import type { Packable } from './decode.js';
import { NdArray } from './ndarray.js';
import { keysOf, liberoKeys, type ObservationKeys, stateEntries } from './openpi-keys.js';
import { ProtocolError } from './protocol-error.js';
import { type ConnectOptions, WireClient } from './wire-client.js';

/** What a robot shows, for a policy on another machine. */
export interface RemoteObservation {
  /** RGB, row by row. */
  images: Readonly<Record<string, { data: Uint8Array; height: number; width: number }>>;
  state: ArrayLike<number>;
  prompt: string;
}

/** What a served policy answers. */
export interface RemoteChunk {
  /** Robot actions, row by row. */
  actions: Float32Array;
  /** [horizon, action_dim] */
  shape: readonly number[];
  timedOut?: false;
}

/** How to connect, and what the requests are called. */
export interface RemotePolicyOptions extends ConnectOptions {
  /** The keys of the requests; what the server says of its own unless given, else LIBERO's. */
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
export class RemotePolicy implements ActingPolicy {
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
   * @throws PolicyError ERR_DSRL_POLICY_CONTRACT for a picture, a state or a prompt that is none;
   *   RuntimeFailure ERR_DSRL_REMOTE_FAILED with the server's words, _DISCONNECTED;
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
    if (typeof prompt !== 'string') {
      throw refused(`the observation's prompt is ${prompt}`, 'give the instruction as a text');
    }
    const keys = this.keys ?? keysOf(this.metadata) ?? liberoKeys(Object.keys(images));
    const request: Record<string, Packable> = { [keys.prompt]: prompt };
    for (const [camera, { data, height, width }] of Object.entries(images)) {
      const key = keys.images[camera];
      if (key === undefined) continue;
      const given: unknown = data;
      if (!(given instanceof Uint8Array) || given.length !== height * width * 3) {
        throw refused(
          `the picture of \`${camera}\` is no Uint8Array of ${height} x ${width} x 3`,
          'give { data, height, width }, RGB, row by row',
        );
      }
      request[key] = new NdArray(given, [height, width, 3]);
    }
    Object.assign(request, Object.fromEntries(stateEntries(checkedState(state), keys)));
    const answer = await this.client.request(request, signal);
    const actions = (answer as { actions?: unknown } | null)?.actions;
    if (actions instanceof NdArray) {
      return { actions: finite(actions.toFloat32()), shape: actions.shape };
    }
    throw new ProtocolError('ERR_DSRL_WIRE_ANSWER', 'the answer has no array `actions`', {
      hint: "see that the server speaks openpi's protocol",
    });
  }

  /** Ends the connection; requests under way are rejected. */
  dispose(): void {
    this.client.close();
  }
  /** `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** As a local policy checks it: `null` of a sensor that did not answer is no 0. */
function checkedState(state: ArrayLike<number>): Float32Array {
  return Float32Array.from(Array.from(state), (value: unknown, index) => {
    if (typeof value === 'number') return value;
    throw refused(`the observation's state[${index}] is ${value}`, 'give numbers');
  });
}

function refused(message: string, hint: string): PolicyError {
  return new PolicyError('ERR_DSRL_POLICY_CONTRACT', message, { hint });
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
