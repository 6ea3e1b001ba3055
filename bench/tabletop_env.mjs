// Environment steps and pictures a second of the tabletop, on one core.
//
//   node bench/tabletop_env.mjs
//
// A chunk paints one picture an environment whatever its length, so two chunk lengths separate the
// cost of a step from that of a picture. Best of three, process CPU seconds beside the wall time.

import { loadavg } from 'node:os';
import { createRuntime, TabletopBackend, Tensor } from '../dist/native/index.js';

const ENVS = 1000;
const runtime = createRuntime({ device: 'cpu' });
const backend = new TabletopBackend(runtime, { numEnvs: ENVS, seed: 0n, imageSize: 64 });

async function seconds(steps) {
  const values = Float32Array.from({ length: ENVS * steps * 7 }, (_, i) => Math.sin(i));
  const actions = Tensor.from(runtime, values, [ENVS, steps, 7]);
  let best = { wall: Number.POSITIVE_INFINITY, cpu: 0 };
  for (let repeat = 0; repeat < 3; repeat++) {
    for (let env = 0; env < ENVS; env++) backend.restore(env, env % 4, env % 50);
    const cpu = process.cpuUsage();
    const start = performance.now();
    const { observation, executed } = await backend.stepChunk(
      actions,
      new Int32Array(ENVS).fill(steps),
    );
    const wall = (performance.now() - start) / 1000;
    const used = process.cpuUsage(cpu);
    if (wall < best.wall) {
      const done = executed.reduce((sum, count) => sum + count, 0);
      best = { wall, cpu: (used.user + used.system) / 1e6, done };
    }
    observation.state.dispose();
    for (const picture of Object.values(observation.images)) picture.dispose();
  }
  return best;
}

const short = await seconds(1);
const long = await seconds(5000);
const step = (long.wall - short.wall) / (long.done - short.done);
const picture = (short.wall - short.done * step) / ENVS;
const load = loadavg()[0]?.toFixed(2);
process.stdout.write(
  `environment steps/s ${Math.round(1 / step)}  pictures/s ${Math.round(1 / picture)}  ` +
    `(wall ${long.wall.toFixed(3)} s, CPU ${long.cpu.toFixed(3)} s, load ${load})\n`,
);
