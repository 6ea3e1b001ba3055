import { AbortedError } from '../errors.js';
import { exitAtOnce } from '../native/index.js';

export type StopSignal = 'SIGINT' | 'SIGTERM' | 'SIGHUP';
const SIGNALS: readonly StopSignal[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];

export interface StopTellers {
  /** Says, at the first signal, that the work is being stopped. */
  first(signal: StopSignal): void;
  /** Says, at the second, what is lost. The process ends when it returns. */
  second(signal: StopSignal): void;
}

/** For a command that leaves nothing behind. */
export const STOPPING: StopTellers = {
  first: (signal) => void process.stderr.write(`${signal}: stopping\n`),
  second: () => {},
};

/**
 * Runs `body` so that the first SIGINT, SIGTERM or SIGHUP asks it to stop, and the second ends the
 * process at once with that signal's exit code, whatever native threads are busy with. Checkpoints
 * are renamed into place, so a sudden end leaves the last one whole.
 *
 * @param hint what to type after it, known when `body` has ended
 * @returns `stopped`: the error to end with if a signal came and `body` ended all the same
 * @throws AbortedError if `body` failed because of the signal; whatever else it throws comes first
 */
export async function stoppable<Result>(
  body: (signal: AbortSignal) => Promise<Result>,
  tell: StopTellers,
  hint: (result: Result | undefined) => string,
): Promise<{ result: Result; stopped: AbortedError | null }> {
  const controller = new AbortController();
  let first: StopSignal | null = null;
  const listeners = SIGNALS.map((name) => {
    const listener = () => {
      if (first !== null) {
        tell.second(name);
        exitAtOnce(stoppedBy(name, '').exitCode);
      }
      first = name;
      tell.first(name);
      controller.abort(stoppedBy(name, hint(undefined)));
    };
    process.on(name, listener);
    return () => process.off(name, listener);
  });
  try {
    const result = await body(controller.signal);
    return { result, stopped: first === null ? null : stoppedBy(first, hint(result)) };
  } finally {
    for (const remove of listeners) remove();
  }
}

function stoppedBy(name: StopSignal, hint: string): AbortedError {
  return new AbortedError(name, `stopped by ${name}`, { hint });
}
