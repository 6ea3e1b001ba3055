// A control loop that is never late: the policy lives in a worker thread, this thread only reads
// sensors, sends actions on and asks for the next chunk before the last one is used up.

import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

interface Chunk {
  actions: Float32Array;
  shape: readonly [number, number];
  /** How many of the actions run. */
  run: number;
}

const PERIOD_MS = 20; // 50 Hz
const SIDE = 64;
const steps = Number(process.argv[3] ?? 40);

// `main.ts` starts `worker.ts`, and what a compiler made of it the like.
const own = import.meta.url;
const worker = new Worker(new URL(own.replace(/main(\.\w+)$/, 'worker$1')), {
  workerData: { folder: process.argv[2] ?? 'policies/tabletop' },
});
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
worker.once('error', (error) => stop.abort(error)); // whatever its code did not catch

/** What the worker says next; an abort rejects. */
async function answer<Message>(): Promise<Message> {
  const [message] = await once(worker, 'message', { signal: stop.signal });
  return message;
}

/** Copies are sent: a picture of 64 x 64 costs microseconds. */
function ask(moment: number): Promise<Chunk> {
  const data = new Uint8Array(SIDE * SIDE * 3).fill(moment & 255);
  const state = Float32Array.from([0.5, 0.5, 0.4, Math.PI, 0, 0, 0.04, -0.04]);
  worker.postMessage({
    images: { main: { data, height: SIDE, width: SIDE } },
    state,
    prompt: 'go',
  });
  const chunk = answer<Chunk>();
  chunk.catch(() => {}); // whoever awaits it learns of it; until then it ends no process
  return chunk;
}

async function control(): Promise<void> {
  let chunk = await ask(0);
  let next = ask(1);
  let used = 0;
  let worst = 0;
  let due = performance.now();
  for (let step = 0; step < steps; step++) {
    worst = Math.max(worst, performance.now() - due);
    const [, size] = chunk.shape;
    const action = chunk.actions.subarray(used * size, (used + 1) * size);
    if (step === 0) console.log(`first action: ${Array.from(action, (value) => value.toFixed(2))}`);
    used += 1; // the arm would get `action` here
    if (used === chunk.run) {
      chunk = await next;
      next = ask(step);
      used = 0;
    }
    due += PERIOD_MS;
    await sleep(Math.max(0, due - performance.now()), undefined, { signal: stop.signal });
  }
  console.log(`${steps} steps at ${1000 / PERIOD_MS} Hz, the latest ${worst.toFixed(1)} ms late`);
  await next;
}

try {
  await answer(); // the policy is open
  await control();
  worker.postMessage(null);
  await once(worker, 'exit');
} catch (error) {
  // The arm would be brought to rest here.
  await worker.terminate();
  const { reason } = stop.signal;
  if (!stop.signal.aborted || reason.name !== 'AbortError') throw reason ?? error;
  process.exitCode = 130;
}
