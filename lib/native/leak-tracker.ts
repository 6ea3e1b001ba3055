/**
 * With DSRL_TRACK=1 in the environment, a tensor that the garbage collector took before anybody
 * disposed of it is told as a warning, with the place that made it: once a place, and again each
 * time that its number has grown tenfold. Costs a stack trace a tensor, so it is off otherwise.
 */
interface Made {
  what: string;
  stack: string;
}

const losses = new Map<string, number>();

const registry =
  process.env.DSRL_TRACK === '1' ? new FinalizationRegistry<Made>(reportLoss) : undefined;

/** @param what describes the handle; called only if losses are tracked */
export function trackHandle(handle: object, what: () => string): void {
  if (registry === undefined) return;
  const holder = { stack: '' };
  Error.captureStackTrace(holder, trackHandle);
  // Without the first line, which is the error's, and the frames of this library's own handles.
  const stack = holder.stack.split('\n').slice(2).join('\n');
  registry.register(handle, { what: what(), stack }, handle);
}

export function untrackHandle(handle: object): void {
  registry?.unregister(handle);
}

function reportLoss({ what, stack }: Made): void {
  const count = (losses.get(stack) ?? 0) + 1;
  losses.set(stack, count);
  if (!/^10*$/.test(String(count))) return;
  const times = count === 1 ? '' : ` (${count} of them by now)`;
  process.emitWarning(
    `${what} was collected and had not been disposed of${times}: call dispose(), or make it ` +
      `in scope(); made\n${stack}`,
    { code: 'DSRL_TENSOR_LEAK' },
  );
}
