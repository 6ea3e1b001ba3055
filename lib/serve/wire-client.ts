import { setTimeout as sleep } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { RuntimeFailure } from '../errors.js';
import { unlessAborted } from '../signal.js';
import { type ConnectOptions, checkConnect } from './connect-options.js';
import { decode, type Packable } from './decode.js';
import { encode } from './encode.js';
import { giveUpInSilence } from './silence.js';

interface Pending {
  resolve(answer: Packable): void;
  reject(error: unknown): void;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
/** How long the server may take to answer a goodbye: ws would hold the process for 30 s. */
const GOODBYE_MS = 1_000;

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
  private readonly closed = new AbortController();
  /**
   * Aborted: no attempt to connect goes on. The caller's signal counts until the first one has
   * succeeded: a time limit for it that ends hours later must not end the connections after it.
   */
  private stop: AbortSignal;
  /** What the server said of itself when it was last connected. */
  metadata: Packable = null;

  /** @throws UsageError ERR_DSRL_REMOTE_URL, _OPTION */
  constructor(
    private readonly url: string,
    private readonly options: ConnectOptions,
  ) {
    checkConnect(url, options);
    const { signal } = options;
    const closed = this.closed.signal;
    this.stop = signal === undefined ? closed : AbortSignal.any([closed, signal]);
  }

  /** @throws RuntimeFailure ERR_DSRL_REMOTE_{UNREACHABLE, FAILED, DISCONNECTED, CLOSED} */
  async request(message: Packable, signal?: AbortSignal): Promise<Packable> {
    signal?.throwIfAborted();
    // First: a message that cannot be written must not take a place among those that wait.
    const frame = encode(message);
    const socket = await unlessAborted(signal, this.connect());
    this.closed.signal.throwIfAborted();
    if (socket !== this.socket) throw failure('DISCONNECTED', `${this.url}: the server hung up`);
    const answer = new Promise<Packable>((resolve, reject) => {
      this.pending.push({ resolve, reject });
    });
    socket.send(frame);
    return unlessAborted(signal, answer);
  }

  /** Connects unless it is connected. */
  connect(): Promise<WebSocket> {
    if (this.closed.signal.aborted) return Promise.reject(this.closed.signal.reason);
    if (this.socket?.readyState === WebSocket.OPEN) return Promise.resolve(this.socket);
    this.connecting ??= this.attempt().finally(() => {
      this.connecting = null;
    });
    return this.connecting;
  }

  /** Ends the connection, or the attempt to make one; requests under way are rejected. */
  close(): void {
    const error = failure('CLOSED', `${this.url}: the client was closed`);
    this.closed.abort(error);
    this.socket?.close(1000);
    this.lose(error);
  }

  private async attempt(): Promise<WebSocket> {
    const { stop } = this;
    const deadline = performance.now() + (this.options.patienceMs ?? 0);
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
      stop.throwIfAborted();
      try {
        return await this.open();
      } catch (error) {
        stop.throwIfAborted();
        if (performance.now() + pause > deadline) throw error;
      }
      await sleep(pause, undefined, { signal: stop }).catch(() => {});
    }
  }

  /** Resolves with the first message, the metadata. */
  private open(): Promise<WebSocket> {
    const { url, stop } = this;
    const { apiKey, connectTimeoutMs = 10_000 } = this.options;
    const headers = apiKey === undefined ? {} : { Authorization: `Api-Key ${apiKey}` };
    return new Promise((resolve, reject) => {
      const settings = { headers, perMessageDeflate: false, closeTimeout: GOODBYE_MS };
      const socket = new WebSocket(url, settings);
      let why: unknown = null;
      const end = () => socket.terminate();
      stop.addEventListener('abort', end, { once: true });
      const timer = setTimeout(() => {
        const greeted = socket.readyState === WebSocket.OPEN;
        const what = greeted ? 'sent no metadata' : 'did not answer';
        why = new Refusal(`the server ${what} within ${connectTimeoutMs} ms`, LATE);
        end();
      }, connectTimeoutMs);
      const settle = () => {
        clearTimeout(timer);
        stop.removeEventListener('abort', end);
      };
      socket.once('unexpected-response', (_, response) => {
        const { statusCode = 0, statusMessage } = response;
        why = new Refusal(
          `the server answered ${statusCode} ${statusMessage}`,
          STATUS_HINTS[statusCode],
        );
        end();
      });
      socket.on('error', (error) => {
        why ??= error;
      });
      socket.once('close', (code) => {
        settle();
        const reason = why instanceof Error ? why.message : 'the connection was closed';
        const hint = why instanceof Refusal ? why.hint : undefined;
        reject(failure('UNREACHABLE', `${url}: ${reason}`, why, hint));
        if (this.socket !== socket) return;
        this.socket = null;
        this.lose(
          code === TOO_LARGE
            ? failure('FAILED', `${url}: the request is larger than the server takes`, why, LARGE)
            : failure('DISCONNECTED', `${url}: the connection ended during a request`),
        );
      });
      socket.once('message', (data: Buffer, isBinary) => {
        if (stop.aborted || why !== null) return;
        try {
          if (!isBinary) throw new Error(`the server greets with a text, ${start(data)}`);
          this.metadata = decode(data);
        } catch (error) {
          why = error;
          end();
          return;
        }
        settle();
        this.stop = this.closed.signal;
        socket.on('message', (reply: Buffer, isBinary) => {
          // What comes behind a text belongs to none of the requests of the next connection.
          if (this.socket === socket) this.receive(reply, isBinary);
        });
        this.socket = socket;
        const { silenceMs = 60_000, answerSilenceMs = 600_000 } = this.options;
        const isWaiting = () => this.socket === socket && this.pending.length > 0;
        giveUpInSilence(socket, isWaiting, { silenceMs, answerSilenceMs });
        resolve(socket);
      });
    });
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

/** A reason that asks for a hint of its own. */
class Refusal extends Error {
  constructor(
    message: string,
    readonly hint: string | undefined,
  ) {
    super(message);
  }
}

const LATE =
  'see that an openpi server listens there; one that computes for others needs a larger ' +
  '`connectTimeoutMs`, or `patienceMs` to be tried again';

/** What a server answers in place of opening the websocket. */
const STATUS_HINTS: Record<number, string> = {
  401: 'give the key of the server as `apiKey`',
  503: 'the server has all the clients that it admits: give `patienceMs`, or raise its --max-clients',
};

const TOO_LARGE = 1009;
const LARGE = 'send smaller pictures, or raise `--max-message-bytes` of `dsrl-native serve`';

function failure(
  kind: Failure,
  message: string,
  cause?: unknown,
  hint: string = HINTS[kind],
): RuntimeFailure {
  return new RuntimeFailure(`ERR_DSRL_REMOTE_${kind}`, message, { hint, cause });
}

/** Of a text that may be long. */
function start(data: Buffer): string {
  return JSON.stringify(data.toString('utf8').slice(0, 80));
}
