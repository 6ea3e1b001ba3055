import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, STATUS_CODES } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { WebSocketServer } from 'ws';
import { EnvironmentSetupError, RuntimeFailure } from '../errors.js';
import { type Abortable, unlessAborted } from '../signal.js';
import { Batcher } from './batcher.js';
import { ClientSession } from './client-session.js';
import type { Packable } from './decode.js';
import { checkServer, type ServerOptions } from './server-options.js';

/** What is served: requests of this protocol in, maps with `actions` out. */
export interface Service<Observation> {
  /** The first message to every client. */
  readonly metadata: Record<string, Packable>;
  /** Checks one request and reads it. What it throws goes to the client that sent it. */
  read(request: Packable): Observation;
  /**
   * Answers several observations at once, in their order. `signal` is aborted when the server has
   * ended and nobody waits for the answers any more.
   */
  infer(
    observations: Observation[],
    options?: { signal?: AbortSignal },
  ): Promise<Record<string, Packable>[]>;
}

const PING_INTERVAL_MS = 20_000;

/**
 * Serves a policy over openpi's websocket protocol: metadata first, then msgpack requests and
 * answers; `GET /healthz` says OK, also while the policy computes.
 */
export class PolicyServer {
  private readonly http: Server;
  private readonly sessions = new Set<ClientSession>();
  private readonly pings: NodeJS.Timeout;
  private closed: Promise<void> | null = null;
  private address = '';

  private constructor(
    service: { answer(request: Packable): Promise<Record<string, Packable>>; metadata: Packable },
    private readonly options: ServerOptions,
    private readonly ended: AbortController,
  ) {
    const { clientTimeoutMs = 10_000, maxMessageBytes = 64 << 20, maxClients = 64 } = options;
    const tell = options.onFailure ?? ((error) => console.error(error));
    const onFailure = (error: unknown) => {
      // The policy was stopped because nobody waits any more: it has not failed.
      const { aborted, reason } = ended.signal;
      if (!aborted || error !== reason) tell(error);
    };
    const settings = {
      noServer: true,
      perMessageDeflate: false, // as openpi's client asks: pictures do not compress in time
      maxPayload: maxMessageBytes,
      clientTracking: false,
      // One that does not answer a goodbye holds its place no longer than one that does not read.
      closeTimeout: clientTimeoutMs,
    };
    const sockets = new WebSocketServer(settings);
    this.http = createServer(
      {
        headersTimeout: clientTimeoutMs,
        requestTimeout: clientTimeoutMs,
        connectionsCheckingInterval: clientTimeoutMs,
      },
      (request, response) => {
        const healthy = request.url === '/healthz' && request.method === 'GET';
        response.writeHead(healthy ? 200 : 404, { 'content-type': 'text/plain' });
        response.end(healthy ? 'OK\n' : 'Not found\n');
      },
    );
    // Beyond this Node itself drops connections, without the 503 that the others get: they cost a
    // socket each before their handshake.
    this.http.maxConnections = 2 * maxClients + 1024;
    this.http.on('upgrade', (request, socket, head) => {
      socket.on('error', () => {});
      if (!this.admits(request)) refuse(socket, 401);
      else if (this.sessions.size >= maxClients || this.closed !== null) refuse(socket, 503);
      else {
        sockets.handleUpgrade(request, socket, head, (client) => {
          const { metadata, answer } = service;
          const sendTimeoutMs = clientTimeoutMs;
          const session = new ClientSession(client, { metadata, answer, onFailure, sendTimeoutMs });
          this.sessions.add(session);
          client.once('close', () => this.sessions.delete(session));
        });
      }
    });
    this.pings = setInterval(() => {
      for (const session of this.sessions) session.checkAlive();
    }, PING_INTERVAL_MS).unref();
  }

  /**
   * Starts to listen.
   *
   * @throws UsageError ERR_DSRL_SERVE_KEY for another host than loopback without a key, or a key
   *   that no header can carry; _PORT; _LIMIT for a bound that is none
   * @throws EnvironmentSetupError ERR_DSRL_SERVE_LISTEN where the address is taken or not ours
   */
  static async listen<Observation>(
    service: Service<Observation>,
    options: ServerOptions = {},
  ): Promise<PolicyServer> {
    const {
      host = '127.0.0.1',
      port = 8000,
      batchWindowMs = 0,
      largestBatch = 16,
      signal,
    } = options;
    signal?.throwIfAborted();
    checkServer(options);
    const ended = new AbortController();
    const compute = (batch: Observation[]) => service.infer(batch, { signal: ended.signal });
    const batcher = new Batcher(compute, { windowMs: batchWindowMs, largest: largestBatch });
    const { metadata } = service;
    const answer = async (request: Packable) => batcher.submit(service.read(request));
    const server = new PolicyServer({ metadata, answer }, options, ended);
    await new Promise<void>((resolve, reject) => {
      server.http.once('error', (cause) => {
        clearInterval(server.pings);
        reject(
          new EnvironmentSetupError('ERR_DSRL_SERVE_LISTEN', `cannot listen on ${host}:${port}`, {
            hint: 'choose another `--port`, or stop what listens there',
            cause,
          }),
        );
      });
      server.http.listen(port, host, resolve);
    });
    if (signal?.aborted) await server.close();
    signal?.throwIfAborted();
    signal?.addEventListener('abort', () => void server.close(), { once: true });
    const { address, family, port: bound } = server.http.address() as AddressInfo;
    server.address = `ws://${family === 'IPv6' ? `[${address}]` : address}:${bound}`;
    return server;
  }

  /** `ws://host:port` as a client writes it. */
  get url(): string {
    return this.address;
  }

  get clients(): number {
    return this.sessions.size;
  }

  /**
   * Answers what is being computed, says goodbye (1001), and ends; after `graceMs` at the latest.
   * An abort ends the waiting for that, not the closing itself.
   */
  async close(graceMs = 5_000, { signal }: Abortable = {}): Promise<void> {
    signal?.throwIfAborted();
    this.closed ??= this.shutDown(graceMs);
    return unlessAborted(signal, this.closed);
  }

  private async shutDown(graceMs: number): Promise<void> {
    clearInterval(this.pings);
    const ended = new Promise<void>((resolve) => {
      this.http.close(() => resolve());
    });
    for (const session of this.sessions) session.close();
    const late = setTimeout(() => {
      for (const session of this.sessions) session.terminate();
      this.http.closeAllConnections();
      this.ended.abort(serverEnded());
    }, graceMs);
    this.http.closeIdleConnections();
    await ended;
    clearTimeout(late);
  }

  private admits(request: IncomingMessage): boolean {
    const { apiKey } = this.options;
    if (apiKey === undefined) return true;
    // Digests have one length, and comparing them takes the same time wherever they differ.
    const digest = (text: string) => createHash('sha256').update(text).digest();
    const given = request.headers.authorization ?? '';
    return timingSafeEqual(digest(given), digest(`Api-Key ${apiKey}`));
  }
}

function serverEnded(): RuntimeFailure {
  return new RuntimeFailure('ERR_DSRL_SERVE_ENDED', 'the server has ended', {
    hint: 'ask another one, or start this one again',
  });
}

/** Without waiting for the client's end: one that never closes would hold a connection for good. */
function refuse(socket: Duplex, status: 401 | 503): void {
  socket.once('finish', () => socket.destroy());
  socket.end(`HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nConnection: close\r\n\r\n`);
}
