// Time to .9 success on the tabletop: this package and an eager PyTorch loop of the same recipe.
//
//   node bench/tabletop.mjs [--seeds 0,1,2] [--steps 40] [--python FILE] [--write]
//
// The two run alternately, one process at a time, so that both meet the same machine. Prints
// Markdown; `--write` puts it between the marks in docs/tabletop.md too. Needs a built checkout and
// a Python with torch and numpy (.venv/bin/python). Threads: both inherit OMP_NUM_THREADS, 1 if
// unset.

import { readFileSync, writeFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { lastLine } from '../scripts/last-line.mjs';
import { processors, table } from './report.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PAGE = join(ROOT, 'docs', 'tabletop.md');
const BEGIN = '<!-- written by bench/tabletop.mjs: begin -->';
const END = '<!-- written by bench/tabletop.mjs: end -->';
const THREADS = process.env.OMP_NUM_THREADS ?? '1';

const runCells = (run) => [
  run.name,
  run.seed,
  run.reached ? run.train_seconds.toFixed(1) : '-',
  run.reached ? run.train_cpu_seconds.toFixed(1) : '-',
  run.updates,
  run.success.toFixed(2),
  (run.updates / run.update_seconds).toFixed(1),
  (run.updates / run.update_cpu_seconds).toFixed(1),
  run.load,
];

/** Medians of what a seed decides, the best of what only the machine decides. */
function summary(runs) {
  const sorted = (value) => runs.map(value).sort((a, b) => a - b);
  const median = (value) => sorted(value)[Math.floor(runs.length / 2)];
  return {
    name: runs[0].name,
    seconds: median((run) => (run.reached ? run.train_seconds : Number.POSITIVE_INFINITY)),
    cpuSeconds: median((run) => (run.reached ? run.train_cpu_seconds : Number.POSITIVE_INFINITY)),
    updates: median((run) => run.updates),
    perSecond: sorted((run) => run.updates / run.update_seconds).at(-1),
    perCpuSecond: sorted((run) => run.updates / run.update_cpu_seconds).at(-1),
  };
}

function report(runs) {
  const names = [...new Set(runs.map(({ name }) => name))];
  const sums = names.map((name) => summary(runs.filter((run) => run.name === name)));
  const [ours, eager] = sums;
  const sumCells = (it) => [
    it.name,
    it.seconds.toFixed(1),
    it.cpuSeconds.toFixed(1),
    it.updates,
    it.perSecond.toFixed(1),
    it.perCpuSecond.toFixed(1),
  ];
  const ratios = [
    'ours against eager',
    `${(eager.seconds / ours.seconds).toFixed(2)} x`,
    `${(eager.cpuSeconds / ours.cpuSeconds).toFixed(2)} x`,
    '',
    `${(ours.perSecond / eager.perSecond).toFixed(2)} x`,
    `${(ours.perCpuSecond / eager.perCpuSecond).toFixed(2)} x`,
  ];
  return `${table(
    [
      `${runs.length / 2} seeds each`,
      'median s to .9',
      'median CPU s to .9',
      'median updates to .9',
      'best updates/s',
      'best updates/CPU s',
    ],
    [...sums.map(sumCells), ratios],
  )}

${table(
  [
    'run',
    'seed',
    's to .9',
    'CPU s to .9',
    'updates to .9',
    'success',
    'updates/s',
    'updates/CPU s',
    'load before',
  ],
  runs.map(runCells),
)}

\`OMP_NUM_THREADS=${THREADS} node bench/tabletop.mjs --seeds ${values.seeds} --write\`
on ${processors()}, Node ${process.versions.node}.

Seconds count rollouts and updates until the deterministic agent first solves .9 of the 100 (task,
trial), looked at every 2 global steps; start and evaluations are not counted. CPU seconds are those
of all threads. A seed gives the two different random numbers: compare the medians, never one pair.
Load: averages over 1, 5 and 15 minutes as the run began.`;
}

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '0' },
    steps: { type: 'string', default: '40' },
    python: { type: 'string', default: join('.venv', 'bin', 'python') },
    write: { type: 'boolean', default: false },
  },
});
const contestants = [
  ['dsrl-native', process.execPath, 'tabletop_native.mjs'],
  ['eager PyTorch', values.python, 'tabletop_eager.py'],
];
const runs = [];
for (const seed of values.seeds.split(',')) {
  for (const [name, command, program] of contestants) {
    const load = loadavg()
      .map((value) => value.toFixed(1))
      .join(' ');
    process.stderr.write(`${name}, seed ${seed}, load ${load}\n`);
    const args = [join('bench', program), '--seed', seed, '--max-steps', values.steps];
    runs.push({
      name,
      load,
      ...(await lastLine(name, command, args, { OMP_NUM_THREADS: THREADS })),
    });
  }
}
const text = report(runs);
process.stdout.write(`${text}\n`);
if (values.write) {
  const page = readFileSync(PAGE, 'utf8');
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${PAGE} has lost the marks ${BEGIN} ... ${END}`);
  writeFileSync(PAGE, `${page.slice(0, begin)}${BEGIN}\n${text}\n${page.slice(end)}`);
}
