import { AbortedError } from '../errors.js';

type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';
const SIGNALS: readonly StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

/**
 * Runs `body` so that the first SIGINT, SIGTERM or SIGHUP asks it to stop and the second ends the
 * process at once with 130. Checkpoints are renamed into place, so a sudden end leaves the last one
 * whole.
 *
 * @param announce called at the first signal
 * @param hint what to type after it
 * @throws AbortedError if a signal came and `body` has ended; whatever `body` throws comes first
 */
export async function stoppable<Result>(
  body: (signal: AbortSignal) => Promise<Result>,
  announce: (signal: StopSignal) => void,
  hint: string,
): Promise<{ result: Result; stopped: AbortedError | null }> {
  const controller = new AbortController();
  let first: StopSignal | null = null;
  const listeners = SIGNALS.map((name) => {
    const listener = () => {
      if (first !== null) process.exit(130);
      first = name;
      announce(name);
      controller.abort(stoppedBy(name, hint));
    };
    process.on(name, listener);
    return () => process.off(name, listener);
  });
  try {
    const result = await body(controller.signal);
    return { result, stopped: first === null ? null : stoppedBy(first, hint) };
  } catch (error) {
    // Whatever was interrupted says so in its own words; the exit code is the signal's.
    if (first !== null && isAbort(error, controller.signal)) throw stoppedBy(first, hint);
    throw error;
  } finally {
    for (const remove of listeners) remove();
  }
}

function isAbort(error: unknown, signal: AbortSignal): boolean {
  return error === signal.reason || (error instanceof Error && error.name === 'AbortError');
}

function stoppedBy(name: StopSignal, hint: string): AbortedError {
  return new AbortedError(name, `stopped by ${name}`, { hint });
}
