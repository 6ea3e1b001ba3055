// A Pi0 of full size (3.24 B parameters, random weights, bfloat16): made, exported, run on the CPU.
//
//   node bench/export_full_size.mjs [--folder DIR] [--python FILE] [--num-steps 10]
//
// Prints Markdown: seconds and peak memory of the export, of loading, and seconds a sample. Takes
// 20 GB of disk, 8 GB of memory and some minutes. The folder (full-size/ in the temporary files
// unless given) is kept, and what is there already is not made again. Needs a built checkout and a
// Python with torch. Threads: OMP_NUM_THREADS, 1 if unset.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, statSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const THREADS = Number(process.env.OMP_NUM_THREADS ?? '1');
process.env.OMP_NUM_THREADS = String(THREADS);

const { values } = parseArgs({
  options: {
    folder: { type: 'string', default: join(tmpdir(), 'full-size') },
    python: { type: 'string', default: join(ROOT, '.venv', 'bin', 'python') },
    'num-steps': { type: 'string', default: '10' },
  },
});
const checkpoint = join(values.folder, 'checkpoint');
const policyFolder = join(values.folder, 'policy');

/** Runs bench/export_full_size.py; the JSON of its last line. */
function python(...words) {
  const script = join(ROOT, 'bench', 'export_full_size.py');
  const { status, stdout } = spawnSync(values.python, [script, ...words], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`${script} ${words.join(' ')} ended with ${status}`);
  return JSON.parse(stdout.trimEnd().split('\n').at(-1));
}

const seconds = (since) => (performance.now() - since) / 1000;
const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(2)} GB`;
const row = (...cells) => process.stdout.write(`| ${cells.join(' | ')} |\n`);

mkdirSync(values.folder, { recursive: true });
if (!existsSync(checkpoint)) python('make', checkpoint);
row('what', 'wall', 'peak memory');
row('---', '---', '---');
if (!existsSync(policyFolder)) {
  const { seconds: wall, peak_rss_gb: peak } = python('export', checkpoint, policyFolder);
  row('export, bfloat16', `${wall.toFixed(0)} s`, `${peak.toFixed(2)} GB`);
}

const { createRuntime, FrozenPolicy } = await import('../dist/index.js');
const runtime = createRuntime({ device: 'cpu' });
runtime.setThreads(THREADS);
let start = performance.now();
const policy = FrozenPolicy.load(runtime, policyFolder);
const size = gigabytes(statSync(join(policyFolder, 'policy.pt')).size);
row(`load (${size})`, `${seconds(start).toFixed(1)} s`, peakMemory());

const numSteps = Number(values['num-steps']);
const inputs = join(checkpoint, 'sample', 'inputs.safetensors');
for (const name of ['first', 'second']) {
  start = performance.now();
  await policy.sampleFile(inputs, join(values.folder, 'actions.safetensors'), numSteps);
  const what = `${name} sample (2 cameras, a prompt of 16, ${numSteps} steps)`;
  row(what, `${seconds(start).toFixed(1)} s`, peakMemory());
}
const load = loadavg()[0]?.toFixed(1);
process.stdout.write(`\n${cpus()[0]?.model}, ${THREADS} threads, load ${load}\n`);

function peakMemory() {
  return gigabytes(process.resourceUsage().maxRSS * 1024);
}
