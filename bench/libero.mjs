// What LIBERO costs here, and what the original costs on the same machine in the same run.
//
//   node bench/libero.mjs [--repeats 3] [--rows NAME,...] [--write]
//
// Every row is a process of its own, and the rows take turns, so that all meet the same machine;
// the best run of each counts. CPU seconds stand beside the wall's: on a shared machine only they
// mean something. `--write` puts the table into docs/libero.md. Needs a built checkout and what
// `dsrl-native libero setup` makes, the original's Python among it.

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SELF = fileURLToPath(import.meta.url);
const PAGE = join(ROOT, 'docs', 'libero.md');
const BEGIN = '<!-- written by bench/libero.mjs: begin -->';
const END = '<!-- written by bench/libero.mjs: end -->';
const CHUNK = 5;

/** Named by what is drawn: 64 x 64 agent views at the ends of chunks of five steps. */
const ROWS = {
  'no-pictures': {
    envs: 1,
    threads: 1,
    chunks: 40,
    options: { cameras: [] },
  },
  full: { envs: 16, threads: 2, chunks: 4, options: { imageSize: 64 } },
  'full-msaa0': { envs: 16, threads: 2, chunks: 6, options: { imageSize: 64, msaa: 0 } },
  lod: {
    envs: 16,
    threads: 2,
    chunks: 12,
    options: { imageSize: 64, lod: true },
  },
  'lod-msaa0': { envs: 16, threads: 2, chunks: 12, options: { imageSize: 64, lod: true, msaa: 0 } },
};
const ORIGINALS = { original: [], 'original-pictures': ['--pictures'] };

async function measure({ envs, threads, chunks, options }, gl) {
  const { createRuntime, LiberoBackend, Tensor } = await import('../dist/native/index.js');
  const runtime = createRuntime({ device: 'cpu' });
  const backend = new LiberoBackend(runtime, { numEnvs: envs, threads, gl, ...options });
  const begin = performance.now();
  for (let env = 0; env < envs; env++) backend.restore(env, env % 10, 0);
  const resetMs = (performance.now() - begin) / envs;
  let random = 1;
  const chunk = () => {
    const values = Float32Array.from({ length: envs * CHUNK * 7 }, () => {
      random = (random * 48271) % 2147483647;
      return (random / 2147483647) * 2 - 1;
    });
    return Tensor.from(runtime, values, [envs, CHUNK, 7]);
  };
  const limit = new Int32Array(envs).fill(CHUNK);
  const step = async () => {
    const actions = chunk();
    const { observation, executed } = await backend.stepChunk(actions, limit);
    for (const tensor of [actions, observation.state, ...Object.values(observation.images)]) {
      tensor.dispose();
    }
    return executed.reduce((sum, count) => sum + count, 0);
  };
  await step(); // opens what draws
  const cpuBefore = process.cpuUsage();
  const start = performance.now();
  let steps = 0;
  for (let k = 0; k < chunks; k++) steps += await step();
  const wall = (performance.now() - start) / 1000;
  const used = process.cpuUsage(cpuBefore);
  const cpu = (used.user + used.system) / 1e6;
  const residentMb = process.resourceUsage().maxRSS / 1024;
  return { wall: steps / wall, cpu: steps / cpu, resetMs, residentMb };
}

function measureOriginal(words) {
  const home = process.env.DSRL_LIBERO ?? join(process.env.HOME ?? '', '.cache/dsrl-native/libero');
  const script = join(ROOT, 'python', 'libero', 'measure_original.py');
  const text = execFileSync(join(home, 'venv/bin/python'), ['-W', 'ignore', script, ...words], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const found = JSON.parse(text.trim().split('\n').at(-1));
  return {
    wall: found.steps_per_second,
    cpu: found.steps_per_cpu_second,
    resetMs: 1000 * found.reset_seconds,
    residentMb: found.resident_mb,
  };
}

function once(name, gl) {
  if (name in ORIGINALS) return measureOriginal(ORIGINALS[name]);
  const text = execFileSync(process.execPath, [SELF, '--row', name, '--gl', gl], {
    encoding: 'utf8',
  });
  return JSON.parse(text);
}

const WHAT = {
  original: 'the original, no pictures',
  'original-pictures': 'the original, two 256 x 256 pictures a step',
  'no-pictures': 'no pictures, one environment on one core',
  full: '64 x 64 at chunk ends, 16 environments on two cores',
  'full-msaa0': 'the same, `env.*.msaa=0`',
  lod: 'the same, `env.*.lod=on`',
  'lod-msaa0': 'the same, `env.*.lod=on env.*.msaa=0`',
};

function table(best) {
  const lines = [
    '| | steps/s | steps per CPU second | of the original | reset | resident memory |',
    '|---|---|---|---|---|---|',
  ];
  for (const [name, row] of Object.entries(best)) {
    const pictures = name !== 'no-pictures' && name !== 'original';
    const reference = best[pictures ? 'original-pictures' : 'original'];
    const times = (a, b) => `${(a / b).toFixed(1)}x`;
    const ratio =
      name in ORIGINALS || reference === undefined
        ? ''
        : `${times(row.wall, reference.wall)}, of CPU time ${times(row.cpu, reference.cpu)}`;
    const reset = row.resetMs < 10 ? row.resetMs.toFixed(1) : row.resetMs.toFixed(0);
    const cells = [WHAT[name], row.wall.toFixed(1), row.cpu.toFixed(1), ratio, `${reset} ms`];
    lines.push(`| ${[...cells, `${(row.residentMb / 1024).toFixed(1)} GB`].join(' | ')} |`);
  }
  return lines.join('\n');
}

const { values } = parseArgs({
  options: {
    repeats: { type: 'string', default: '3' },
    rows: { type: 'string', default: [...Object.keys(ORIGINALS), ...Object.keys(ROWS)].join() },
    gl: { type: 'string', default: 'osmesa' },
    row: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
});
if (values.row !== undefined) {
  process.stdout.write(`${JSON.stringify(await measure(ROWS[values.row], values.gl))}\n`);
} else {
  const best = {};
  const loads = [];
  for (let repeat = 0; repeat < Number(values.repeats); repeat++) {
    for (const name of values.rows.split(',')) {
      loads.push(loadavg()[0] ?? 0);
      const found = once(name, values.gl);
      process.stderr.write(`${name} ${JSON.stringify(found)}\n`);
      if (!(best[name]?.wall > found.wall)) best[name] = found;
    }
  }
  const load = `${Math.min(...loads).toFixed(1)} to ${Math.max(...loads).toFixed(1)}`;
  const machine = `${cpus().length} shared cores (${cpus()[0]?.model}), load ${load}`;
  const text = `${table(best)}\n\nBest of ${values.repeats}, drawn by ${values.gl}; ${machine}.\n`;
  process.stdout.write(text);
  if (values.write) {
    const page = readFileSync(PAGE, 'utf8');
    const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
    if (from < 0 || to < from) throw new Error(`${PAGE} has no place for the table`);
    writeFileSync(PAGE, `${page.slice(0, from + BEGIN.length)}\n${text}${page.slice(to)}`);
  }
}
