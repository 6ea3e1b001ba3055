import { UsageError } from '../errors.js';
import { isSendable } from './connect-options.js';

/** Where to listen, whom to admit, and what is bounded. */
export interface ServerOptions {
  /** Default 127.0.0.1; anything but loopback needs `apiKey`. */
  host?: string | undefined;
  /** Default 8000, openpi's; 0 takes a free one. */
  port?: number | undefined;
  /** Clients send it as `Authorization: Api-Key <key>`; printable ASCII. */
  apiKey?: string | undefined;
  /**
   * Default 0: requests that arrive while a batch is computed form the next one. At most 60,000.
   */
  batchWindowMs?: number | undefined;
  /** Default 16 requests, at most 1,024. */
  largestBatch?: number | undefined;
  /** Default 64, at most 10,000; one more is refused with 503. */
  maxClients?: number | undefined;
  /**
   * Default 64 MiB, at most 1 GiB; a larger frame closes the connection with 1009. As many bytes
   * may be held for each client.
   */
  maxMessageBytes?: number | undefined;
  /**
   * How long a client may take to read an answer, to finish its handshake, and to answer a goodbye;
   * default 10 s, at most an hour.
   */
  clientTimeoutMs?: number | undefined;
  /**
   * Failures of the policy itself: memory that ends, a device that is lost, actions that are no
   * finite numbers. Clients learn that it failed and no more. What a request does wrong is told to
   * its client and not here. Default: stderr.
   */
  onFailure?: ((error: unknown) => void) | undefined;
  /** Aborted: the server closes as by `close()`. */
  signal?: AbortSignal | undefined;
}

const LOOPBACK = new Set(['127.0.0.1', '::1', 'localhost']);

/**
 * Smallest and largest. Without the smallest a batch of none would be computed for ever, and ws
 * takes 0 bytes for no limit at all.
 */
const BOUNDS = {
  batchWindowMs: [0, 60_000],
  largestBatch: [1, 1_024],
  maxClients: [1, 10_000],
  maxMessageBytes: [1_024, 2 ** 30],
  clientTimeoutMs: [1, 3_600_000],
} as const;

/** @throws UsageError ERR_DSRL_SERVE_KEY, _PORT, _LIMIT */
export function checkServer(options: ServerOptions): void {
  const { host = '127.0.0.1', port = 8000, apiKey } = options;
  if (apiKey === '') {
    throw new UsageError('ERR_DSRL_SERVE_KEY', 'the API key is empty: no client could send it', {
      hint: 'give another one, or none on 127.0.0.1',
    });
  }
  if (apiKey !== undefined && !isSendable(apiKey)) {
    throw new UsageError('ERR_DSRL_SERVE_KEY', 'no header can carry the API key', {
      hint: 'give one line of printable ASCII characters',
    });
  }
  if (!LOOPBACK.has(host) && apiKey === undefined) {
    throw new UsageError('ERR_DSRL_SERVE_KEY', `serving on ${host} without an API key`, {
      hint: 'give a key (`--api-key-file FILE`), or serve on 127.0.0.1',
    });
  }
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    throw new UsageError('ERR_DSRL_SERVE_PORT', `${port} is no port`, {
      hint: 'give a whole number from 0, which takes a free one, to 65535',
    });
  }
  for (const [name, [least, most]] of Object.entries(BOUNDS)) {
    const value = options[name as keyof typeof BOUNDS];
    if (value === undefined) continue;
    if (Number.isInteger(value) && value >= least && value <= most) continue;
    throw new UsageError('ERR_DSRL_SERVE_LIMIT', `${name} is ${value}`, {
      hint: `give a whole number from ${least} to ${most}`,
    });
  }
}
