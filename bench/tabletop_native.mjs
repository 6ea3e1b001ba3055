// The recipe `tabletop` by this package until .9 success, timed as bench/tabletop_eager.py times
// itself: seconds and CPU seconds of rollouts and updates alone, never of evaluations and files.
//
//   node bench/tabletop_native.mjs [--seed 0] [--max-steps 40]
//
// Prints one JSON line with the same keys.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { composeConfig, createRuntime, train } from '../dist/index.js';

const EVAL_INTERVAL = 2;
const GOAL = 0.9;

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '0' },
    'max-steps': { type: 'string', default: '40' },
  },
});

/** Wall and CPU seconds of each phase of a training. */
class Stopwatch {
  #phase = 'setup';
  #since = this.#now();
  spent = {};

  begin(phase) {
    const now = this.#now();
    this.spent[this.#phase] ??= { wall: 0, cpu: 0 };
    this.spent[this.#phase].wall += now.wall - this.#since.wall;
    this.spent[this.#phase].cpu += now.cpu - this.#since.cpu;
    this.#phase = phase;
    this.#since = now;
  }

  #now() {
    const { user, system } = process.cpuUsage(); // of all threads
    return { wall: performance.now() / 1000, cpu: (user + system) / 1e6 };
  }
}

const seed = Number(values.seed);
const stopwatch = new Stopwatch();
const reached = new AbortController();
let success = null;
const nothing = () => {};
const progress = {
  notice: nothing,
  warn: (text) => process.stderr.write(`${text}\n`),
  phase: (name) => stopwatch.begin(name),
  step: nothing,
  evaluation(row) {
    success = row.success;
    process.stderr.write(`step ${row.step}: ${success.toFixed(2)}\n`);
    if (success >= GOAL) reached.abort();
  },
  checkpoint: nothing,
  finish: nothing,
  stop: nothing,
};

const runtime = createRuntime({ device: 'cpu' });
const { config } = composeConfig({
  recipe: 'tabletop',
  overrides: [
    `seed=${seed}`,
    `runner.max_steps=${values['max-steps']}`,
    `runner.val_check_interval=${EVAL_INTERVAL}`,
    'runner.save_interval=-1',
  ],
});
const folder = mkdtempSync(join(tmpdir(), 'dsrl-bench-'));
try {
  const runDir = join(folder, 'run');
  const { updates } = await train({ config, runtime, runDir, progress, signal: reached.signal });
  const { rollout, learn } = stopwatch.spent;
  const result = {
    seed,
    success,
    reached: reached.signal.aborted,
    updates,
    train_seconds: rollout.wall + learn.wall,
    train_cpu_seconds: rollout.cpu + learn.cpu,
    update_seconds: learn.wall,
    update_cpu_seconds: learn.cpu,
    torch_threads: runtime.threads,
  };
  process.stdout.write(`${JSON.stringify(result)}\n`);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
