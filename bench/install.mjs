// How long does it take a user, with Node and a torch there, from `npm install` to the first
// training step? The tarball is installed into an empty folder with an empty cache of npm and a
// home that has nothing of ours, and `npx dsrl-native train tabletop` runs there until its first
// global step.
//
//   npm run prebuild && npm run build:ts && node bench/install.mjs [--rounds 3]
//
// The torch is the set-up's (or DSRL_TORCH_HOME's). Prints a table of Markdown: seconds by the
// clock, the best round first, and of the processor in both commands to their ends, with the load
// before.

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('..', import.meta.url));

/** `npm pack` of what `npm run prebuild` and `npm run build:ts` have left. */
function pack(folder) {
  for (const made of ['prebuilds/linux-x64', 'dist/index.js']) {
    if (existsSync(join(root, made))) continue;
    throw new Error(`there is no ${made}: type npm run prebuild && npm run build:ts`);
  }
  const words = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const options = { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] };
  const [{ filename }] = JSON.parse(execFileSync('npm', words, options));
  return join(folder, filename);
}

function torchHome() {
  return (
    process.env.DSRL_TORCH_HOME ??
    JSON.parse(readFileSync(join(root, 'build', 'torch.json'), 'utf8')).root
  );
}

/**
 * Runs a command; bash says at its end what it took of the processor.
 *
 * @returns seconds until a line has `awaited`, or until the end, and the processor's seconds
 */
async function run(command, { cwd, env, awaited }) {
  const began = performance.now();
  const seconds = () => (performance.now() - began) / 1000;
  const script = `TIMEFORMAT='cpu %U %S'; time ${command}`;
  const child = spawn('bash', ['-c', script], { cwd, env, stdio: ['ignore', 'ignore', 'pipe'] });
  const ended = new Promise((resolve) => child.once('close', resolve));
  const lines = [];
  let reached;
  for await (const line of createInterface({ input: child.stderr })) {
    if (awaited?.test(line)) reached ??= seconds();
    lines.push(line);
  }
  const code = await ended;
  const [, user, system] = lines.join('\n').match(/cpu ([\d.]+) ([\d.]+)$/) ?? [];
  if (code !== 0 || (awaited && reached === undefined)) {
    throw new Error(`${command} ended with ${code}:\n${lines.join('\n')}`);
  }
  return { seconds: reached ?? seconds(), processor: Number(user) + Number(system) };
}

/** One user, from nothing. */
async function round(tarball, place) {
  const [home, cwd] = [join(place, 'home'), join(place, 'robot')];
  for (const folder of [home, cwd]) mkdirSync(folder, { recursive: true });
  writeFileSync(join(cwd, 'package.json'), '{ "name": "robot", "private": true }');
  const env = {
    ...process.env,
    HOME: home,
    XDG_CACHE_HOME: join(home, '.cache'),
    npm_config_cache: join(home, '.npm'),
    DSRL_TORCH_HOME: torchHome(),
  };
  const load = loadavg()[0];
  const install = await run(`npm install --no-audit --no-fund ${tarball}`, { cwd, env });
  const train = await run('npx dsrl-native train tabletop --run-dir run runner.max_steps=1', {
    cwd,
    env,
    awaited: /\bstep 1\/1\b/,
  });
  const total = install.seconds + train.seconds;
  return { install, train, total, load };
}

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '3' } } });
const count = Number(values.rounds);
if (!Number.isSafeInteger(count) || count < 1) throw new Error('--rounds: 1 or more');
const folder = mkdtempSync(join(tmpdir(), 'dsrl-bench-'));
try {
  const tarball = pack(folder);
  const rounds = [];
  for (let number = 0; number < count; number++) {
    const place = join(folder, `round${number}`);
    rounds.push(await round(tarball, place));
    rmSync(place, { recursive: true });
  }
  rounds.sort((a, b) => a.total - b.total);
  const rows = rounds.map(({ install, train, total, load }) => {
    const figures = [install.seconds, train.seconds, total, install.processor, train.processor];
    const cells = [...figures, load].map((figure) => figure.toFixed(1));
    return `| ${cells.join(' | ')} |\n`;
  });
  process.stdout.write(
    '| `npm install`, s | `train` to its first step, s | both, s | of the processor, s | ' +
      'and in `train`, s | load |\n|---|---|---|---|---|---|\n' +
      rows.join(''),
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}
