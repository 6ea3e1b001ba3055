// Does training hold the event loop? The delay of timers, by perf_hooks, while this process trains
// on tabletop and writes a checkpoint at every second step, and that of another process that idles
// meanwhile on the same machine.
//
//   node bench/event_loop.mjs [--steps 6]
//
// Prints a row of Markdown: the longest delays, their difference, the 99th percentile and the load.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { composeConfig, createRuntime, Trainer } from '../dist/index.js';

/** Prints its histogram when it is told to end. */
const IDLE = `
const { monitorEventLoopDelay } = require('node:perf_hooks');
const delay = monitorEventLoopDelay({ resolution: 1 });
process.stdin.once('data', () => {
  delay.enable();
  process.stdin.once('data', () => {
    delay.disable();
    console.log(JSON.stringify({ max: delay.max, p99: delay.percentile(99) }));
    process.exit();
  });
});`;

const { values } = parseArgs({ options: { steps: { type: 'string', default: '6' } } });
const { config } = composeConfig({
  recipe: 'tabletop',
  overrides: ['device=cpu', `runner.max_steps=${values.steps}`, 'runner.save_interval=2'],
});
const folder = mkdtempSync(join(tmpdir(), 'dsrl-bench-'));
const idle = spawn(process.execPath, ['-e', IDLE], { stdio: ['pipe', 'pipe', 'inherit'] });
const answer = new Promise((resolve) => idle.stdout.once('data', resolve));
const delay = monitorEventLoopDelay({ resolution: 1 });
try {
  createRuntime({ device: 'cpu' }); // opening libtorch is synchronous, and said to be
  const trainer = new Trainer(config, { runDir: join(folder, 'run') });
  let steps = 0;
  for await (const event of trainer.run()) {
    if (event.type !== 'step') continue;
    steps += 1;
    // The first step opens the policy and warms up: measured are those behind it.
    if (steps === 1) {
      delay.enable();
      idle.stdin.write('begin\n');
    }
  }
  delay.disable();
  idle.stdin.write('end\n');
  const other = JSON.parse(await answer);
  const ms = (nanoseconds) => (nanoseconds / 1e6).toFixed(1);
  const cells = [ms(delay.max), ms(other.max), ms(delay.max - other.max)];
  const tails = `${ms(delay.percentile(99))} / ${ms(other.p99)}`;
  process.stdout.write(
    '| longest delay in `train`, ms | of an idle process | beyond it | 99 % | load |\n' +
      '|---|---|---|---|---|\n' +
      `| ${cells.join(' | ')} | ${tails} | ${loadavg()[0].toFixed(1)} |\n`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
