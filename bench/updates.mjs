// Updates a second of the recipes' learners: one thread, threads within libtorch's operations, and
// threads that share each batch.
//
//   node bench/updates.mjs [--recipe tabletop] [--count 150] [--threads 2]
//
// On random transitions, which cost what real ones do. The three take turns, best of three each,
// CPU seconds of all threads beside the wall time. Prints Markdown. Needs a built checkout.

import { availableParallelism, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import {
  composeConfig,
  createRuntime,
  Learner,
  learnerSettings,
  networkSizes,
  Replay,
  Tensor,
} from '../dist/index.js';
import { processors, table } from './report.mjs';

const ROWS = 64;
const APPENDED = 8;

const { values } = parseArgs({
  options: {
    recipe: { type: 'string', default: 'tabletop' },
    count: { type: 'string', default: '150' },
    threads: { type: 'string', default: `${availableParallelism()}` },
  },
});
const count = Number(values.count);
const threads = Number(values.threads);

const runtime = createRuntime({ device: 'cpu' });
const { config } = composeConfig({ recipe: values.recipe, overrides: [] });
const sizes = networkSizes(config);
const settings = learnerSettings(config);

const uniform = (...shape) => {
  const length = shape.reduce((product, side) => product * side, 1);
  return Tensor.from(runtime, Float32Array.from({ length }, Math.random), shape);
};
const pictures = (side) => {
  const bytes = Uint8Array.from({ length: ROWS * side * side * 3 }, () => 256 * Math.random());
  return Tensor.from(runtime, bytes, [ROWS, side, side, 3]);
};

const replay = new Replay(runtime, sizes, APPENDED * ROWS, ROWS);
for (let version = 0; version < APPENDED; version++) {
  replay.append({
    frame: pictures(sizes.image_size),
    state: uniform(ROWS, sizes.state_dim),
    nextFrame: pictures(sizes.image_size),
    nextState: uniform(ROWS, sizes.state_dim),
    noise: uniform(ROWS, sizes.noise_dim),
    rewards: new Float32Array(ROWS).fill(-1),
    steps: new Int32Array(ROWS).fill(1),
    terminated: new Uint8Array(ROWS),
    active: new Uint8Array(ROWS).fill(1),
    version,
  });
}

const ways = [
  { name: 'one thread', operations: 1, shared: 1 },
  { name: `${threads} within operations`, operations: threads, shared: 1 },
  { name: `${threads} share the batch`, operations: 1, shared: threads },
].map((way) => ({
  ...way,
  learner: new Learner(runtime, { ...settings, threads: way.shared }, 0n),
  best: { wall: Number.POSITIVE_INFINITY, cpu: 0 },
}));

for (let repeat = 0; repeat < 3; repeat++) {
  for (const way of ways) {
    runtime.setThreads(way.operations);
    await way.learner.update(5, replay); // the kernels are chosen in the first
    const cpu = process.cpuUsage();
    const start = performance.now();
    await way.learner.update(count, replay);
    const wall = (performance.now() - start) / 1000;
    const used = process.cpuUsage(cpu);
    if (wall < way.best.wall) way.best = { wall, cpu: (used.user + used.system) / 1e6 };
  }
}

const [{ best: alone }] = ways;
console.log(`${table(
  ['threads', 'updates/s', 'against one', 'CPU s', 'wall s'],
  ways.map(({ name, best: { wall, cpu } }) => [
    name,
    (count / wall).toFixed(1),
    `${(alone.wall / wall).toFixed(2)} x`,
    cpu.toFixed(1),
    wall.toFixed(1),
  ]),
)}

\`${values.recipe}\`, batches of ${settings.batch_size}, ${count} updates, best of three, on
${processors()}, Node ${process.versions.node}, load ${loadavg()[0]?.toFixed(1)}.`);
