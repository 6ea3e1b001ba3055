import { UsageError } from './errors.js';

/** In place of an answer that would have come after its deadline. */
export interface TimedOut {
  timedOut: true;
}

/** How long a call may take, and what else may stop it. */
export interface Limits {
  /** Milliseconds from the call on; then the answer is `{ timedOut: true }`. */
  deadlineMs?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** A timer of Node takes anything else for 1 ms: all would be late, for ever. */
export function isDeadline(milliseconds: number): boolean {
  return milliseconds > 0 && milliseconds < 2 ** 31;
}

/**
 * Runs `body` with a signal that aborts at the deadline too. Its answer is given if it is there by
 * then, and never later: a robot must not act on a picture of a second ago.
 *
 * @throws UsageError ERR_DSRL_DEADLINE for a deadline that is no positive number; whatever `body`
 *   throws before the deadline
 */
export async function withinDeadline<Answer>(
  { deadlineMs, signal }: Limits,
  body: (signal: AbortSignal | undefined) => Promise<Answer>,
): Promise<Answer | TimedOut> {
  if (deadlineMs === undefined) return body(signal);
  if (!isDeadline(deadlineMs)) {
    throw new UsageError('ERR_DSRL_DEADLINE', `${deadlineMs} ms are no deadline`, {
      hint: 'give a number of milliseconds above 0',
    });
  }
  const end = performance.now() + deadlineMs;
  const timer = new AbortController();
  let timeout: NodeJS.Timeout | undefined;
  const expired = new Promise<TimedOut>((resolve) => {
    timeout = setTimeout(() => {
      resolve({ timedOut: true });
      timer.abort(new Error('the deadline has passed'));
    }, deadlineMs);
  });
  const either = signal === undefined ? timer.signal : AbortSignal.any([timer.signal, signal]);
  const answer = body(either).then(
    // The event loop may have been too busy to run the timer in time.
    (value): Answer | TimedOut => (performance.now() > end ? { timedOut: true } : value),
    (error: unknown): TimedOut => {
      if (timer.signal.aborted) return { timedOut: true };
      throw error;
    },
  );
  try {
    return await Promise.race([answer, expired]);
  } finally {
    clearTimeout(timeout);
  }
}
