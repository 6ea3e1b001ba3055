// Does training hold the event loop? The delay of timers, by perf_hooks, while this process trains
// on tabletop and writes a checkpoint at every second step, and that of another process that idles
// meanwhile on the same machine.
//
//   node bench/event_loop.mjs [--steps 6] [--rounds 3]
//
// Two windows: the whole of `Trainer.run`, and the steps behind the first one, which opens the
// policy and warms up. Opening libtorch lies before both: it is synchronous, and said to be. A
// round is a training of its own in a process of its own, the round with the smallest difference
// counts, and all are shown. Prints a table of Markdown, with the processor's seconds, the seconds
// by the clock, and the load before.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { composeConfig, createRuntime, Trainer } from '../dist/index.js';

const WINDOWS = ['whole', 'behind the first step'];

/** Histograms that begin one by one, as the training comes so far, and end together. */
function histograms() {
  const all = WINDOWS.map(() => monitorEventLoopDelay({ resolution: 1 }));
  return {
    begin: (window) => all[window].enable(),
    end: () =>
      all.map((delay) => {
        delay.disable();
        return { max: delay.max / 1e6, p99: delay.percentile(99) / 1e6 };
      }),
  };
}

/** The other process: does nothing, and answers to `begin 0`, `begin 1` and `end`. */
async function idle() {
  const { begin, end } = histograms();
  for await (const line of createInterface({ input: process.stdin })) {
    const [word, window] = line.split(' ');
    if (word === 'begin') begin(Number(window));
    else break;
  }
  process.stdout.write(JSON.stringify(end()), () => process.exit());
}

/** One training: both processes' delays in each window, ms. */
async function round(steps) {
  const { config } = composeConfig({
    recipe: 'tabletop',
    overrides: ['device=cpu', `runner.max_steps=${steps}`, 'runner.save_interval=2'],
  });
  const folder = mkdtempSync(join(tmpdir(), 'dsrl-bench-'));
  const other = spawn(process.execPath, [fileURLToPath(import.meta.url), '--role', 'idle'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const answer = new Promise((resolve) => other.stdout.once('data', resolve));
  const own = histograms();
  const begin = (window) => {
    own.begin(window);
    other.stdin.write(`begin ${window}\n`);
  };
  try {
    createRuntime({ device: 'cpu' });
    const trainer = new Trainer(config, { runDir: join(folder, 'run') });
    const began = performance.now();
    const before = process.cpuUsage();
    begin(0);
    let done = 0;
    for await (const event of trainer.run()) {
      if (event.type === 'step' && ++done === 1) begin(1);
    }
    const train = own.end();
    const { user, system } = process.cpuUsage(before);
    const seconds = (performance.now() - began) / 1000;
    other.stdin.write('end\n');
    return { train, idle: JSON.parse(await answer), seconds, processor: (user + system) / 1e6 };
  } finally {
    other.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

const { values } = parseArgs({
  options: {
    steps: { type: 'string', default: '6' },
    rounds: { type: 'string', default: '3' },
    role: { type: 'string' },
  },
});
const [steps, rounds] = [Number(values.steps), Number(values.rounds)];
if (!(Number.isSafeInteger(steps) && steps > 1)) throw new Error('--steps: 2 or more');
if (!(Number.isSafeInteger(rounds) && rounds > 0)) throw new Error('--rounds: 1 or more');

if (values.role === 'idle') await idle();
else if (values.role === 'round') process.stdout.write(JSON.stringify(await round(steps)));
else {
  const words = [fileURLToPath(import.meta.url), '--role', 'round', '--steps', `${steps}`];
  const results = Array.from({ length: rounds }, () => {
    const load = loadavg()[0];
    return { ...JSON.parse(execFileSync(process.execPath, words, { encoding: 'utf8' })), load };
  });
  const head = ['window', 'longest delay in `train`, ms', 'of an idle process', 'beyond it'];
  head.push('99 %', 's', 'of the processor, s', 'load');
  const rows = WINDOWS.flatMap((name, window) => {
    const beyond = ({ train, idle }) => train[window].max - idle[window].max;
    const sorted = results.toSorted((a, b) => beyond(a) - beyond(b));
    return sorted.map((result) => {
      const { train, idle, seconds, processor, load } = result;
      const figures = [train[window].max, idle[window].max, beyond(result)];
      const tails = `${train[window].p99.toFixed(1)} / ${idle[window].p99.toFixed(1)}`;
      const rest = [seconds, processor, load];
      const text = (list) => list.map((figure) => figure.toFixed(1));
      return [name, ...text(figures), tails, ...text(rest)];
    });
  });
  const lines = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  process.stdout.write(`${lines.join('\n')}\n`);
}
