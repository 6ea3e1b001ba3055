/** What every call takes that answers later. */
export interface Abortable {
  /** Aborted before the call: nothing starts. Later: the call says what becomes of it. */
  signal?: AbortSignal | undefined;
}

/**
 * A call that is waited for also when it is aborted, until it has come to a place where it may end:
 * nothing is left half done. Rejects with the signal's reason then, and before anything has started
 * where the signal is aborted already.
 *
 * @param stop lets the call end early; without it the call is made to its end
 * @param discard gets a result that nobody takes any more
 */
export async function abortable<Result>(
  signal: AbortSignal | undefined,
  call: () => Promise<Result>,
  { stop, discard }: { stop?: () => void; discard?: (result: Result) => void } = {},
): Promise<Result> {
  if (signal === undefined) return call();
  signal.throwIfAborted();
  if (stop !== undefined) signal.addEventListener('abort', stop, { once: true });
  try {
    const result = await call();
    if (signal.aborted) discard?.(result);
    return result;
  } finally {
    if (stop !== undefined) signal.removeEventListener('abort', stop);
    signal.throwIfAborted(); // in place of a result as of an error
  }
}

/**
 * Leaves a promise at once when the signal is aborted, for what need not be waited for: an answer
 * of the network, a copy.
 *
 * @param discard gets what the promise brings later
 */
export function unlessAborted<Result>(
  signal: AbortSignal | undefined,
  promise: Promise<Result>,
  discard?: (result: Result) => void,
): Promise<Result> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = () => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise
      .then((result) => (signal.aborted ? discard?.(result) : resolve(result)), reject)
      .finally(() => signal.removeEventListener('abort', abort));
  });
}
