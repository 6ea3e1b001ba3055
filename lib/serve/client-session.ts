import type { RawData, WebSocket } from 'ws';
import { DsrlError } from '../errors.js';
import { decode, type Packable } from './decode.js';
import { encode } from './encode.js';
import { ProtocolError } from './protocol-error.js';

/** Close codes of RFC 6455 that this protocol uses. */
const GOING_AWAY = 1001;
const INTERNAL_ERROR = 1011;

export interface SessionOptions {
  metadata: Packable;
  /** One request -> the map that answers it, `server_timing` aside. */
  answer(request: Packable): Promise<Record<string, Packable>>;
  /** What went wrong inside and no client can mend, for the server's own log. */
  onFailure(error: unknown): void;
  /** How long a client may take to read an answer. */
  sendTimeoutMs: number;
}

/**
 * One openpi client. The server speaks first, with the metadata; then every binary frame is a
 * request and gets one answer. Requests of one client are answered one by one in their order.
 * While one waits behind another the socket is not read, so that a client that floods fills its own
 * buffers only; with none waiting it is, and pings are answered while the policy computes.
 */
export class ClientSession {
  /** Requests that came and are not answered: ws may deliver several that came in one packet. */
  private requests = 0;
  /** Ends when the last of them is answered. */
  private answered: Promise<void> = Promise.resolve();
  private closing = false;
  private alive = true;
  /**
   * When the last answer was sent: openpi's `prev_total_ms` counts from there, waiting included.
   */
  private readySince = performance.now();
  private previousTotalMs: number | null = null;

  constructor(
    private readonly socket: WebSocket,
    private readonly options: SessionOptions,
  ) {
    socket.on('message', (data, isBinary) => this.receive(data, isBinary));
    socket.on('pong', () => {
      this.alive = true;
    });
    // Too large a frame, a broken frame, a reset connection: ws closes the socket by itself.
    socket.on('error', () => {});
    void this.send(encode(options.metadata));
  }

  /** Called at an interval: a client that has not answered the last ping is gone. */
  checkAlive(): void {
    if (this.requests > 0) return; // its pongs may lie unread in the paused socket
    if (!this.alive) {
      this.socket.terminate();
      return;
    }
    this.alive = false;
    this.socket.ping();
  }

  /** Lets a request that is being answered finish, then says goodbye. */
  close(): void {
    this.closing = true;
    if (this.requests === 0) this.socket.close(GOING_AWAY, 'the server is shutting down');
  }

  terminate(): void {
    this.socket.terminate();
  }

  private receive(data: RawData, isBinary: boolean): void {
    this.requests += 1;
    if (this.requests > 1) this.socket.pause();
    this.answered = this.answered.then(() => this.respond(data, isBinary));
  }

  private async respond(data: RawData, isBinary: boolean): Promise<void> {
    try {
      // Behind a request that failed, or a goodbye, nobody reads an answer.
      if (this.closing || this.socket.readyState !== this.socket.OPEN) return;
      if (!isBinary) throw textFrame();
      await this.send(await this.reply(bytesOf(data)));
      const now = performance.now();
      this.previousTotalMs = now - this.readySince;
      this.readySince = now;
    } catch (error) {
      await this.fail(error);
    } finally {
      this.requests -= 1;
      this.alive = true;
      if (this.requests <= 1) this.socket.resume();
      if (this.closing) this.close();
    }
  }

  private async reply(request: Uint8Array): Promise<Uint8Array> {
    const message = decode(request);
    const began = performance.now();
    const answer = await this.options.answer(message);
    const timing: Record<string, Packable> = { infer_ms: performance.now() - began };
    if (this.previousTotalMs !== null) timing.prev_total_ms = this.previousTotalMs;
    return encode({ ...answer, server_timing: timing });
  }

  private async send(frame: Uint8Array | string): Promise<void> {
    const { socket } = this;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => socket.terminate(), this.options.sendTimeoutMs);
      socket.send(frame, () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  /** openpi's way: a text frame that says what is wrong, then close 1011. */
  private async fail(error: unknown): Promise<void> {
    if (!isOfRequest(error)) this.options.onFailure(error);
    await this.send(describe(error));
    this.socket.close(INTERNAL_ERROR, 'see the text frame before');
  }
}

/** What a policy refuses in an observation; any other error is the server's own trouble. */
const OF_OBSERVATION = [
  'ERR_DSRL_POLICY_CONTRACT',
  'ERR_DSRL_OBSERVATION',
  'ERR_DSRL_POLICY_TOKENIZER', // a new prompt, where policy.json has the only ones
];

/** Whether the client can mend what went wrong: it is told then, and the server's log is not. */
function isOfRequest(error: unknown): error is DsrlError {
  if (!(error instanceof DsrlError)) return false;
  return error instanceof ProtocolError || OF_OBSERVATION.includes(error.code);
}

/** A path on this machine; its last name is kept. */
const PATH = /(?:[^\s`'"]*\/)+([^\s`'"/]*)/g;

/** Never a stack or a path: the client may be anybody. */
function describe(error: unknown): string {
  if (isOfRequest(error)) {
    const words = `${error.message}\n${error.hint}`;
    // What the protocol refuses names the request's own keys, which have slashes too.
    const safe = error instanceof ProtocolError ? words : words.replace(PATH, '$1');
    return `${error.code}: ${safe}`;
  }
  return "ERR_DSRL_WIRE_INTERNAL: the policy failed on this observation\nsee the server's log";
}

function textFrame(): ProtocolError {
  return new ProtocolError('ERR_DSRL_WIRE_TEXT', 'a request came as a text frame', {
    hint: 'send binary frames of msgpack, as openpi_client does',
  });
}

function bytesOf(data: RawData): Uint8Array {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  return Array.isArray(data) ? Buffer.concat(data) : data;
}
