// Seconds a sample of a frozen policy: this package, and LeRobot's own Pi0 in eager PyTorch.
//
//   node bench/policy.mjs --python FILE [--sizes small,middle] [--repeats 5] [--write]
//
// The two have the same weights and take turns, call by call, so that both meet the same machine;
// the best call of each counts. Ours makes inputs of raw observations and robot actions of the
// result besides, LeRobot's network gets its inputs made. Prints Markdown; `--write` puts it into
// docs/bench_policy.md. Needs a built checkout and a Python with the packages that bench/policy.py
// names. Threads: both inherit OMP_NUM_THREADS, 1 if unset.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { processors, table } from './report.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PAGE = join(ROOT, 'docs', 'bench_policy.md');
const BATCHES = [1, 16];
const NOISES = 8;
const STEPS = 10;
const REUSE_STEPS = [10, 4]; // 4: RLinf's recipe for DSRL

const THREADS = process.env.OMP_NUM_THREADS ?? '1';
process.env.OMP_NUM_THREADS = THREADS; // before the core is loaded
const { createRuntime, FrozenPolicy, Tensor } = await import('../dist/index.js');

/** bench/policy.py for a size: `ask` sends a question and resolves to its answer. */
async function startLeRobot(python, size, folder) {
  const child = spawn(python, [join(ROOT, 'bench', 'policy.py'), size, folder], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) throw new Error(`bench/policy.py ${size} ended early`);
    return JSON.parse(value);
  };
  const { flops } = await next();
  return {
    flops,
    ask(question) {
      child.stdin.write(`${JSON.stringify(question)}\n`);
      return next();
    },
    stop: () => child.stdin.end(),
  };
}

/** Random observations, and noise: `noises` for each. */
function observations(runtime, policy, batch, noises) {
  const { cameras, image_size: side, state_dim, noise_dim, prompts } = policy.metadata;
  const bytes = (count) => Uint8Array.from({ length: count }, () => Math.random() * 256);
  const floats = (count) => Float32Array.from({ length: count }, () => Math.random() * 2 - 1);
  const images = Object.fromEntries(
    cameras.map((camera) => {
      const shape = [batch, side, side, 3];
      return [camera, Tensor.from(runtime, bytes(batch * side * side * 3), shape, 'uint8')];
    }),
  );
  const rows = batch * noises;
  return {
    observation: {
      images,
      state: Tensor.from(runtime, floats(batch * state_dim), [batch, state_dim], 'float32'),
      prompts: Array.from({ length: batch }, () => Object.keys(prompts)[0]),
    },
    noise: Tensor.from(runtime, floats(rows * noise_dim), [rows, noise_dim], 'float32'),
  };
}

async function timed(call) {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await call();
  const { user, system } = process.cpuUsage(cpu);
  return { wall: (performance.now() - start) / 1000, cpu: (user + system) / 1e6 };
}

/** The best of several calls each, in turns: a list of { wall, cpu }. */
async function takeTurns(calls, repeats) {
  const best = calls.map(() => ({ wall: Number.POSITIVE_INFINITY, cpu: Number.POSITIVE_INFINITY }));
  for (let turn = 0; turn <= repeats; turn++) {
    for (const [index, call] of calls.entries()) {
      const took = await call();
      if (turn === 0) continue; // a first call allocates
      best[index].wall = Math.min(best[index].wall, took.wall);
      best[index].cpu = Math.min(best[index].cpu, took.cpu);
    }
  }
  return best;
}

const milliseconds = ({ wall, cpu }) => `${(wall * 1e3).toFixed(1)} (${(cpu * 1e3).toFixed(1)})`;
const ratio = (a, b) => `${(a.wall / b.wall).toFixed(2)} (${(a.cpu / b.cpu).toFixed(2)})`;

async function measure(python, size, repeats) {
  const folder = mkdtempSync(join(tmpdir(), 'dsrl-bench-policy-'));
  const lerobot = await startLeRobot(python, size, folder);
  try {
    const runtime = createRuntime({ device: 'cpu' });
    const policy = FrozenPolicy.load(runtime, folder);
    const sampling = (batch, noises = 1, steps = STEPS) => {
      const { observation, noise } = observations(runtime, policy, batch, noises);
      return () => timed(async () => (await policy.sample(observation, noise, steps)).dispose());
    };
    const speed = [];
    for (const batch of BATCHES) {
      const out = join(folder, 'actions.safetensors');
      await policy.sampleFile(join(folder, `inputs.${batch}.safetensors`), out, STEPS);
      const { difference } = await lerobot.ask({ compare: batch, file: out });
      const peer = () => lerobot.ask({ sample: batch });
      const [ours, theirs] = await takeTurns([sampling(batch), peer], repeats);
      speed.push([
        ...[size, batch, milliseconds(ours), milliseconds(theirs), ratio(theirs, ours)],
        difference.toExponential(1),
      ]);
      process.stderr.write(`${speed.at(-1).join('  ')}\n`);
    }
    const reuse = [];
    for (const steps of REUSE_STEPS) {
      const calls = [sampling(1, 1, steps), sampling(1, NOISES, steps)];
      const [one, many] = await takeTurns(calls, repeats);
      const work = (noises) => lerobot.flops.prefix + noises * steps * lerobot.flops.step;
      const floor = (work(NOISES) / work(1)).toFixed(2);
      reuse.push([size, steps, milliseconds(one), milliseconds(many), ratio(many, one), floor]);
      process.stderr.write(`${reuse.at(-1).join('  ')}\n`);
    }
    return { speed, reuse };
  } finally {
    lerobot.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

function report(results, repeats, load) {
  const speedHead = ['size', 'batch', 'dsrl-native, ms', 'LeRobot eager, ms', 'times faster'];
  const reuseHead = [
    'size',
    'steps',
    '1 noise, ms',
    `${NOISES} noises, ms`,
    'ratio',
    'of the arithmetic',
  ];
  return `# Seconds a sample of a frozen policy

Wall milliseconds of the best of ${repeats} calls, CPU milliseconds in brackets. 3 cameras, 48 tokens
of prompt, 50 actions, ${STEPS} Euler steps, float32, threads: ${THREADS}.
Made by \`node bench/policy.mjs\`, whose head says how, on
${processors()}, load averages ${load} as it began.

${table(
  [...speedHead, 'difference of the actions'],
  results.flatMap(({ speed }) => speed),
)}

Several noises on one observation, which cost one prefix:

${table(
  reuseHead,
  results.flatMap(({ reuse }) => reuse),
)}
`;
}

const { values } = parseArgs({
  options: {
    python: { type: 'string', default: join(ROOT, '.venv', 'bin', 'python') },
    sizes: { type: 'string', default: 'small,middle' },
    repeats: { type: 'string', default: '5' },
    write: { type: 'boolean', default: false },
  },
});
const repeats = Number(values.repeats);
if (!Number.isSafeInteger(repeats) || repeats < 1) throw new Error('--repeats: 1 or more');
const load = loadavg()
  .map((value) => value.toFixed(1))
  .join(' ');
const results = [];
for (const size of values.sizes.split(',')) {
  results.push(await measure(values.python, size, repeats));
}
const text = report(results, repeats, load);
process.stdout.write(text);
if (values.write) writeFileSync(PAGE, text);
