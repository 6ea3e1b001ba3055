// Time to .9 success on the tabletop: this package and an eager PyTorch loop of the same recipe.
//
//   node bench/tabletop.mjs [--seeds 0,1,2] [--steps 30] [--write]
//
// The two run alternately, one at a time, so that both meet the same machine. Prints a Markdown
// table; `--write` puts it into docs/bench_tabletop.md too. Needs bash, a built checkout and
// .venv/bin/python with torch and numpy. Threads: OMP_NUM_THREADS, as both inherit it.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const GOAL = 0.9;
const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Runs a command under bash's `time`; resolves to its output and the seconds it took. */
function timed(command, args) {
  const script = 'TIMEFORMAT="timed %R %U %S"; time "$@"';
  const child = spawn('bash', ['-c', script, 'bash', command, ...args], {
    cwd: ROOT,
    env: { ...process.env, LC_ALL: 'C' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      const time = /^timed (\S+) (\S+) (\S+)\s*$/m.exec(stderr);
      if (code !== 0 || time === null) {
        reject(new Error(`${command} ${args.join(' ')} exited with ${code}\n${stderr}`));
        return;
      }
      const [wall, user, system] = time.slice(1).map(Number);
      resolve({ stdout, wall, cpu: user + system });
    });
  });
}

async function runNative(seed, steps) {
  const folder = mkdtempSync(join(tmpdir(), 'dsrl-bench-'));
  try {
    const run = join(folder, 'run');
    const { wall, cpu } = await timed(process.execPath, [
      join('bin', 'dsrl-native.js'),
      'train',
      'tabletop',
      `seed=${seed}`,
      'runner.val_check_interval=2',
      `runner.max_steps=${steps}`,
      '--run-dir',
      run,
    ]);
    const rows = readFileSync(join(run, 'metrics.jsonl'), 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line));
    const last = rows.at(-1);
    if (last === undefined) throw new Error('the run left no metrics');
    const reached = rows.find((row) => row['eval/success_once'] >= GOAL);
    const learning = rows.reduce((sum, row) => sum + row['time/actor_training'], 0);
    return {
      who: 'dsrl-native',
      seed,
      seconds: reached?.seconds ?? null,
      updates: reached?.updates ?? null,
      updatesPerSecond: last.updates / learning,
      trainSeconds: last.seconds,
      totalUpdates: last.updates,
      success: rows.findLast((row) => 'eval/success_once' in row)?.['eval/success_once'] ?? null,
      wall,
      cpu,
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function runEager(seed, steps) {
  const { stdout, wall, cpu } = await timed(join('.venv', 'bin', 'python'), [
    join('bench', 'tabletop_eager.py'),
    '--seed',
    String(seed),
    '--max-steps',
    String(steps),
  ]);
  const result = JSON.parse(stdout.trim().split('\n').at(-1));
  return {
    who: 'eager PyTorch',
    seed,
    seconds: result.seconds_to_90,
    updates: result.updates_to_90,
    updatesPerSecond: result.updates_per_s,
    trainSeconds: result.train_seconds,
    totalUpdates: result.updates,
    success: result.success,
    wall,
    cpu,
  };
}

function load() {
  return loadavg()
    .map((value) => value.toFixed(2))
    .join(' ');
}

const fixed = (value, digits) => (value === null ? '-' : value.toFixed(digits));

function table(rows) {
  const lines = rows.map((row) => [
    row.who,
    row.seed,
    fixed(row.seconds, 1),
    row.updates ?? '-',
    fixed(row.updatesPerSecond, 1),
    row.totalUpdates,
    fixed(row.success, 2),
    fixed(row.trainSeconds, 1),
    fixed(row.wall, 1),
    fixed(row.cpu, 1),
    row.load,
  ]);
  const head = [
    'what',
    'seed',
    's to .9',
    'updates to .9',
    'updates/s',
    'updates run',
    'last success',
    'training s',
    'process wall s',
    'process CPU s',
    'load before',
  ];
  return [head, head.map(() => '---'), ...lines]
    .map((line) => `| ${line.join(' | ')} |`)
    .join('\n');
}

function report(rows, steps) {
  return `# Tabletop: time to .9 success

${table(rows)}

Made by \`node bench/tabletop.mjs\`; the two run alternately, at most ${steps} global steps each. On
${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown processor'}, Node ${process.versions.node},
OMP_NUM_THREADS ${process.env.OMP_NUM_THREADS ?? 'not set'}.

- *s to .9*: rollouts and updates until the deterministic agent first solves .9 of the 100 (task,
  trial), looked at every 2 global steps; the looking is not counted. \`-\`: never.
- *updates/s*: over the time inside updates alone. *training s*: rollouts and updates, whole run.
- A seed gives the two different random numbers: compare over several seeds, never one.
- *process*: everything, with start and evaluations. The eager loop stops at .9, dsrl-native runs
  all its steps: compare CPU with wall in a row, not between rows of unequal *updates run*.
- *load before*: the machine's load averages over 1, 5 and 15 minutes as the run began.
`;
}

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '0' },
    steps: { type: 'string', default: '30' },
    write: { type: 'boolean', default: false },
  },
});
const seeds = values.seeds.split(',').map(Number);
const steps = Number(values.steps);
if (!seeds.every((seed) => Number.isSafeInteger(seed) && seed >= 0)) {
  throw new Error('--seeds: whole numbers with commas between, such as 0,1,2');
}
if (!Number.isSafeInteger(steps) || steps < 1) throw new Error('--steps: a whole number from 1');

const rows = [];
for (const seed of seeds) {
  for (const run of [runNative, runEager]) {
    const before = load();
    const row = { ...(await run(seed, steps)), load: before };
    rows.push(row);
    process.stderr.write(`${row.who}, seed ${seed}: ${fixed(row.seconds, 1)} s to .9\n`);
  }
}
const text = report(rows, steps);
process.stdout.write(text);
if (values.write) writeFileSync(join(ROOT, 'docs', 'bench_tabletop.md'), text);
