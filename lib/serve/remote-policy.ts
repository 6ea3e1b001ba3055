import type { ActingObservation, ActingPolicy } from '../acting-policy.js';
import { type Limits, type TimedOut, withinDeadline } from '../deadline.js';
import { RuntimeFailure, UsageError } from '../errors.js';
import { type Abortable, unlessAborted } from '../signal.js';
import type { ConnectOptions } from './connect-options.js';
import type { Packable } from './decode.js';
import { NdArray } from './ndarray.js';
import { keysOf, liberoKeys, type ObservationKeys, stateEntries } from './openpi-keys.js';
import { ProtocolError } from './protocol-error.js';
import { pictureToSend, refused, sideOf } from './remote-picture.js';
import { WireClient } from './wire-client.js';

/** What a robot shows, for a policy on another machine; pictures as a local one takes them. */
export type RemoteObservation = ActingObservation;

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
 * A connection that ends is made anew by the next request. What openpi's protocol has no words for
 * is `Policy`'s alone: `inferSync` (an answer of the network needs the event loop), and noise,
 * steps and sampling by the call, which are refused here.
 */
export class RemotePolicy implements ActingPolicy {
  private constructor(
    private readonly client: WireClient,
    private readonly keys: ObservationKeys | undefined,
  ) {}

  /**
   * @throws RuntimeFailure ERR_DSRL_REMOTE_UNREACHABLE for a server that is not there, refuses, or
   *   sends no metadata within `connectTimeoutMs`; UsageError ERR_DSRL_REMOTE_URL, _OPTION
   */
  static async connect(url: string, options: RemotePolicyOptions = {}): Promise<RemotePolicy> {
    const client = new WireClient(url, options);
    await client.connect();
    return new RemotePolicy(client, options.keys);
  }

  /**
   * What the server said of itself. This package's says `name`, `action_horizon` and `action_dim`,
   * `state_dim`, `image_size`, `keys`, and of a steered policy `action_chunk`: how many actions of
   * a chunk its agent was trained to run before the next request.
   */
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
    return withinDeadline(options, (signal) => {
      refuseLocal(options);
      return this.ask(observation, signal);
    });
  }

  /**
   * As `infer`, for several observations: one chunk each, in their order. All are looked at before
   * the first is sent; then each is sent when the one before is answered, as the protocol has one
   * answer for one request. With the first that fails the others are given up.
   */
  async inferBatch(
    observations: readonly RemoteObservation[],
    options: { signal?: AbortSignal } = {},
  ): Promise<RemoteChunk[]> {
    const { signal } = options;
    refuseLocal(options);
    signal?.throwIfAborted();
    if (observations.length === 0) return [];
    await this.prepare('', { signal });
    const requests = observations.map((observation) => this.requestOf(observation));
    const chunks: RemoteChunk[] = [];
    for (const request of requests) {
      chunks.push(chunkOf(await this.client.request(request, signal)));
    }
    return chunks;
  }

  /** Connects unless it is connected. The server makes a prompt's tokens itself, when it comes. */
  async prepare(_prompt: string, { signal }: Abortable = {}): Promise<void> {
    signal?.throwIfAborted();
    await unlessAborted(signal, this.client.connect());
  }

  private async ask(observation: RemoteObservation, signal?: AbortSignal): Promise<RemoteChunk> {
    return chunkOf(await this.client.request(this.requestOf(observation), signal));
  }

  private requestOf(observation: RemoteObservation): Packable {
    if (observation === null || typeof observation !== 'object') {
      throw refused(`the observation is ${observation}`, 'give { images, state, prompt }');
    }
    const { images = {}, state, prompt } = observation;
    if (typeof prompt !== 'string') {
      throw refused(`the observation's prompt is ${prompt}`, 'give the instruction as a text');
    }
    const { metadata } = this;
    const keys = this.keys ?? keysOf(metadata) ?? liberoKeys(Object.keys(images));
    const request: Record<string, Packable> = { [keys.prompt]: prompt };
    for (const [camera, picture] of Object.entries(images)) {
      const key = Object.hasOwn(keys.images, camera) ? keys.images[camera] : undefined;
      if (key !== undefined) request[key] = pictureToSend(camera, picture, sideOf(metadata));
    }
    Object.assign(request, Object.fromEntries(stateEntries(checkedState(state), keys)));
    return request;
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
  if (typeof state !== 'object' || state === null || state.length === undefined) {
    throw refused(`the observation's state is ${state}`, 'give an array of numbers');
  }
  return Float32Array.from(Array.from(state), (value: unknown, index) => {
    if (typeof value === 'number') return value;
    throw refused(`the observation's state[${index}] is ${value}`, 'give numbers');
  });
}

/** Left out in silence they would be other actions than those that were asked for. */
function refuseLocal(options: object): void {
  const local = ['noise', 'numSteps', 'deterministic', 'anySize'];
  const given = local.find((name) => (options as Record<string, unknown>)[name] !== undefined);
  if (given === undefined) return;
  throw new UsageError('ERR_DSRL_REMOTE_OPTION', `a served policy takes no \`${given}\``, {
    hint: "leave it out: openpi's protocol carries observations; or load the policy here",
  });
}

function chunkOf(answer: Packable): RemoteChunk {
  const actions = (answer as { actions?: unknown } | null)?.actions;
  if (actions instanceof NdArray) {
    return { actions: finite(actions.toFloat32()), shape: actions.shape };
  }
  throw new ProtocolError('ERR_DSRL_WIRE_ANSWER', 'the answer has no array `actions`', {
    hint: "see that the server speaks openpi's protocol",
  });
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
