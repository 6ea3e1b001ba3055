import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { RuntimeFailure } from '../errors.js';
import { unlessAborted } from '../signal.js';
import { decode, type Packable } from './decode.js';
import { encode } from './encode.js';

export interface ConnectOptions {
  /** Sent as `Authorization: Api-Key <key>`. */
  apiKey?: string | undefined;
  /** How long to go on trying a server that is not there (yet); default 0: one attempt. */
  patienceMs?: number | undefined;
  /**
   * Default 60,000: a connection on which nothing comes for so long, not even the answer to a ping,
   * is given up, and the requests under way with it.
   */
  silenceMs?: number | undefined;
  /** Ends the attempts to connect. */
  signal?: AbortSignal | undefined;
}

interface Pending {
  resolve(answer: Packable): void;
  reject(error: unknown): void;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

/**
 * The client's end of openpi's protocol. Answers come in the order of the requests; a request whose
 * caller gave up keeps its place in that order, and its answer is dropped when it comes.
 *
 * A connection that ends takes the requests under way with it; the next request makes a new one.
 */
export class WireClient {
  private socket: WebSocket | null = null;
  private connecting: Promise<WebSocket> | null = null;
  private readonly pending: Pending[] = [];
  private closed = false;
  /** What the server said of itself when it was last connected. */
  metadata: Packable = null;

  constructor(
    private readonly url: string,
    private readonly options: ConnectOptions,
  ) {}

  /** @throws RuntimeFailure ERR_DSRL_REMOTE_{UNREACHABLE, FAILED, DISCONNECTED, CLOSED} */
  async request(message: Packable, signal?: AbortSignal): Promise<Packable> {
    signal?.throwIfAborted();
    // First: a message that cannot be written must not take a place among those that wait.
    const frame = encode(message);
    const socket = await unlessAborted(signal, this.connect());
    if (socket !== this.socket) throw failure('DISCONNECTED', `${this.url}: the server hung up`);
    const answer = new Promise<Packable>((resolve, reject) => {
      this.pending.push({ resolve, reject });
    });
    socket.send(frame);
    return unlessAborted(signal, answer);
  }

  /** Connects unless it is connected. */
  connect(): Promise<WebSocket> {
    if (this.closed) return Promise.reject(failure('CLOSED', `${this.url}: the client is closed`));
    if (this.socket?.readyState === WebSocket.OPEN) return Promise.resolve(this.socket);
    this.connecting ??= this.attempt().finally(() => {
      this.connecting = null;
    });
    return this.connecting;
  }

  /** Ends the connection; requests under way are rejected. */
  close(): void {
    this.closed = true;
    this.socket?.close(1000);
    this.lose(failure('CLOSED', `${this.url}: the client was closed`));
  }

  private async attempt(): Promise<WebSocket> {
    const { patienceMs = 0, signal } = this.options;
    const deadline = performance.now() + patienceMs;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      signal?.throwIfAborted();
      try {
        return await this.open();
      } catch (error) {
        signal?.throwIfAborted();
        if (performance.now() + pause > deadline || this.closed) throw error;
      }
      await unlessAborted(signal, sleep(pause));
    }
  }

  /** Resolves with the first message, the metadata. */
  private open(): Promise<WebSocket> {
    const { apiKey, signal } = this.options;
    const headers = apiKey === undefined ? {} : { Authorization: `Api-Key ${apiKey}` };
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(this.url, { headers, perMessageDeflate: false });
      const stop = () => socket.terminate();
      signal?.addEventListener('abort', stop, { once: true });
      let why: unknown = null;
      socket.once('unexpected-response', (_, response) => {
        why = new Error(`the server answered ${response.statusCode} ${response.statusMessage}`);
        socket.terminate();
      });
      socket.on('error', (error) => {
        why ??= error;
      });
      socket.once('close', () => {
        signal?.removeEventListener('abort', stop);
        const reason = why instanceof Error ? why.message : 'the connection was closed';
        reject(failure('UNREACHABLE', `${this.url}: ${reason}`, why));
        if (this.socket !== socket) return;
        this.socket = null;
        this.lose(failure('DISCONNECTED', `${this.url}: the connection ended during a request`));
      });
      socket.once('message', (data: Buffer) => {
        try {
          this.metadata = decode(data);
        } catch (error) {
          why = error;
          socket.terminate();
          return;
        }
        socket.on('message', (reply: Buffer, isBinary) => {
          // What comes behind a text belongs to none of the requests of the next connection.
          if (this.socket === socket) this.receive(reply, isBinary);
        });
        this.socket = socket;
        this.watch(socket);
        signal?.removeEventListener('abort', stop);
        resolve(socket);
      });
    });
  }

  /**
   * A server that lost its power, or a robot that left the network, closes no connection: without
   * this, requests would go into it, unanswered, for a quarter of an hour.
   */
  private watch(socket: WebSocket): void {
    const { silenceMs = 60_000 } = this.options;
    let heard = performance.now();
    const hear = () => {
      heard = performance.now();
    };
    socket.on('pong', hear);
    socket.on('ping', hear);
    socket.on('message', hear);
    const timer = setInterval(() => {
      if (performance.now() - heard > silenceMs) socket.terminate();
      else socket.ping();
    }, silenceMs / 3).unref();
    socket.once('close', () => clearInterval(timer));
  }

  private receive(data: Buffer, isBinary: boolean): void {
    const request = this.pending.shift();
    if (!isBinary) {
      // The server closes after its text; a new request must not go into that connection.
      this.socket = null;
      request?.reject(failure('FAILED', `${this.url}: ${data.toString('utf8')}`));
      this.lose(failure('DISCONNECTED', `${this.url}: an earlier request failed`));
      return;
    }
    try {
      request?.resolve(decode(data));
    } catch (error) {
      request?.reject(error);
    }
  }

  private lose(error: unknown): void {
    for (const { reject } of this.pending.splice(0)) reject(error);
  }
}

type Failure = 'UNREACHABLE' | 'FAILED' | 'DISCONNECTED' | 'CLOSED';

const HINTS: Record<Failure, string> = {
  UNREACHABLE: 'start it with `dsrl-native serve <policy>`, or give `patienceMs` to wait for it',
  FAILED: 'mend the observation that the server refused; the next request connects again',
  DISCONNECTED: 'ask again: the next request connects again',
  CLOSED: 'connect again with `RemotePolicy.connect(url)`',
};

function failure(kind: Failure, message: string, cause?: unknown): RuntimeFailure {
  return new RuntimeFailure(`ERR_DSRL_REMOTE_${kind}`, message, { hint: HINTS[kind], cause });
}
