import { AsyncLocalStorage } from 'node:async_hooks';

const scopes = new AsyncLocalStorage<Set<Disposable>>();

/** Hands a new handle to the scope in which it was made, if there is one. */
export function enterScope(handle: Disposable): void {
  scopes.getStore()?.add(handle);
}

/**
 * Disposes, when `body` has ended, every tensor that was made in it, also behind its `await`s, but
 * those that it returns: alone, or in arrays and plain objects. They belong to the outer scope, or
 * to the caller. Nothing of a body that throws is kept.
 *
 * A tensor that `body` leaves elsewhere (a variable outside, a store) is disposed all the same.
 */
export function scope<Result>(body: () => Result): Result {
  const outer = scopes.getStore();
  const made = new Set<Disposable>();
  const close = (result?: unknown) => {
    const kept = new Set<unknown>();
    collect(result, kept);
    for (const handle of made) {
      if (kept.has(handle)) outer?.add(handle);
      else handle[Symbol.dispose]();
    }
  };
  let result: Result;
  try {
    result = scopes.run(made, body);
  } catch (error) {
    close();
    throw error;
  }
  if (!(result instanceof Promise)) {
    close(result);
    return result;
  }
  return result.then(
    (value: unknown) => {
      close(value);
      return value;
    },
    (error: unknown) => {
      close();
      throw error;
    },
  ) as Result;
}

/** Every object that can be reached from `value` through arrays and plain objects. */
function collect(value: unknown, found: Set<unknown>): void {
  if (typeof value !== 'object' || value === null || found.has(value)) return;
  found.add(value);
  if (ArrayBuffer.isView(value)) return;
  for (const part of Object.values(value)) collect(part, found);
}
