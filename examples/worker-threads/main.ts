// A control loop that is never late: the policy lives in a worker thread, this thread only reads
// sensors, sends actions on and asks for the next chunk before the last one is used up.

import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';

interface Chunk {
  actions: Float32Array;
  shape: readonly [number, number];
}

const PERIOD_MS = 20; // 50 Hz
const SIDE = 64;
const steps = Number(process.argv[3] ?? 40);

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'mjs';
const worker = new Worker(new URL(`./worker.${extension}`, import.meta.url), {
  workerData: { folder: process.argv[2] ?? 'policies/tabletop' },
});
await once(worker, 'message'); // the policy is open

/** Copies are sent: a picture of 64 x 64 costs microseconds. */
function ask(moment: number): Promise<Chunk> {
  const data = new Uint8Array(SIDE * SIDE * 3).fill(moment & 255);
  const state = Float32Array.from([0.5, 0.5, 0.4, Math.PI, 0, 0, 0.04, -0.04]);
  worker.postMessage({
    images: { main: { data, height: SIDE, width: SIDE } },
    state,
    prompt: 'go',
  });
  return once(worker, 'message').then(([chunk]) => chunk as Chunk);
}

let chunk = await ask(0);
let next = ask(1);
let used = 0;
let worst = 0;
let due = performance.now();
for (let step = 0; step < steps; step++) {
  worst = Math.max(worst, performance.now() - due);
  const [horizon, size] = chunk.shape;
  const action = chunk.actions.subarray(used * size, (used + 1) * size);
  if (step === 0) console.log(`first action: ${Array.from(action, (value) => value.toFixed(2))}`);
  used += 1; // the arm would get `action` here
  if (used === horizon) {
    chunk = await next;
    next = ask(step);
    used = 0;
  }
  due += PERIOD_MS;
  await sleep(Math.max(0, due - performance.now()));
}
console.log(`${steps} steps at ${1000 / PERIOD_MS} Hz, the latest ${worst.toFixed(1)} ms late`);
await next;
worker.postMessage(null);
await once(worker, 'exit');
