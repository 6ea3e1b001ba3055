import { UsageError } from '../errors.js';

/** How a server is reached, and when it is given up. */
export interface ConnectOptions {
  /** Sent as `Authorization: Api-Key <key>`. */
  apiKey?: string | undefined;
  /** How long to go on trying a server that is not there (yet); default 0: one attempt. */
  patienceMs?: number | undefined;
  /**
   * How long one attempt may take, the server's first message included; default 10,000. A server
   * that still loads its policy does not listen, and `patienceMs` is for that; one that computes
   * for another client in the thread that admits clients needs more.
   */
  connectTimeoutMs?: number | undefined;
  /**
   * A connection on which nothing comes for so long while no request waits, not even the answer to
   * a ping, is given up, and the next request makes a new one; default 60,000.
   */
  silenceMs?: number | undefined;
  /**
   * The same while a request waits; default 600,000. openpi's own server answers no ping while it
   * computes, and its first answer may take minutes (JAX compiles then). `dsrl-native serve`
   * answers pings all the time: with it a lower number finds a lost network sooner. A loop that
   * cannot wait gives each request its own `deadlineMs`.
   */
  answerSilenceMs?: number | undefined;
  /**
   * Ends the attempts to connect, until the first has succeeded: a connection that a later request
   * makes anew is ended by closing the client, and its request by the request's own signal.
   */
  signal?: AbortSignal | undefined;
}

/** Beyond it a timer of Node fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * @throws UsageError ERR_DSRL_REMOTE_URL, _OPTION: what no attempt could mend must not be tried
 *   again and again
 */
export function checkConnect(url: string, options: ConnectOptions): void {
  const protocol = URL.canParse(url) ? new URL(url).protocol : null;
  if (protocol !== 'ws:' && protocol !== 'wss:') {
    throw new UsageError('ERR_DSRL_REMOTE_URL', `${url} is no address of a websocket`, {
      hint: 'give one like ws://127.0.0.1:8000, which `dsrl-native serve` prints',
    });
  }
  if (new URL(url).hash !== '') {
    throw new UsageError('ERR_DSRL_REMOTE_URL', `${url} has a fragment`, {
      hint: 'leave out what stands from # on',
    });
  }
  const { apiKey, patienceMs = 0 } = options;
  if (apiKey !== undefined && !isSendable(apiKey)) {
    throw new UsageError('ERR_DSRL_REMOTE_OPTION', 'no header can carry the API key', {
      hint: 'give a key of printable ASCII characters, without a line end',
    });
  }
  if (!(patienceMs >= 0)) throw wrong('patienceMs', patienceMs, 'of at least 0');
  for (const name of ['connectTimeoutMs', 'silenceMs', 'answerSilenceMs'] as const) {
    const value = options[name];
    if (value === undefined || (value >= 1 && value <= LONGEST_TIMER_MS)) continue;
    throw wrong(name, value, `from 1 to ${LONGEST_TIMER_MS}`);
  }
}

/** Whether a key can be sent as a header by every client: neither empty nor beyond ASCII. */
export function isSendable(key: string): boolean {
  return /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(key);
}

function wrong(name: string, value: unknown, range: string): UsageError {
  return new UsageError('ERR_DSRL_REMOTE_OPTION', `${name} is ${value}`, {
    hint: `give milliseconds ${range}`,
  });
}
