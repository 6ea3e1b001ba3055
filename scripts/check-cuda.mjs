// Builds the core against a CUDA build of torch and loads it with device `cuda`. Without a GPU the
// answer must be an error in words and a CPU that still works; with one, the GPU must work.
//
// The torch goes into build/cuda-venv: several GB, once. Remove the folder to have them back.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { buildNative } from './build-native.mjs';
import { ask, buildDir, main, root, run, SetupError, say } from './setup/steps.mjs';
import { findPython } from './setup/system.mjs';
import { setup } from './setup.mjs';

const TORCH = 'torch==2.14.1';
const venv = join(buildDir, 'cuda-venv');
const python = join(venv, 'bin', 'python');

/** The CUDA build's folder; fetched when it is not there. */
async function provideCudaTorch() {
  const where =
    'import importlib.util as u; print(u.find_spec("torch").submodule_search_locations[0])';
  const found = existsSync(python) && ask(python, ['-c', where]);
  if (found) return found;
  say(`check:cuda: fetching ${TORCH}, the CUDA build, into build/cuda-venv`, {});
  say('  3 GB to fetch, 6 GB on disk; remove the folder to have them back', {});
  const hint = 'see that pip reaches its index (pip config list), then run: npm run check:cuda';
  await run('cuda-venv', findPython().command, ['-m', 'venv', '--clear', venv], { hint });
  const install = ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-input', TORCH];
  await run('cuda-pip', python, install, { hint, show: true });
  return ask(python, ['-c', where]);
}

/** Loads the core in a process of its own; prints what became of it as one JSON object. */
function load(torchHome, device) {
  const module = pathToFileURL(join(root, 'dist', 'torch', 'index.js'));
  const script = `
    const { loadNative } = await import(${JSON.stringify(module)});
    const report = { warnings: [] };
    process.on('warning', ({ code }) => report.warnings.push(code));
    try {
      const { device, torch } = loadNative(${JSON.stringify({ device, torchHome })});
      Object.assign(report, { device, cuda: torch.cuda, version: torch.version });
    } catch ({ code, message, exitCode }) {
      Object.assign(report, { code, message, exitCode });
    }
    setImmediate(() => console.log(JSON.stringify(report)));`;
  const { stdout, stderr, status, signal } = spawnSync(
    process.execPath,
    ['--input-type=module', '-e', script],
    { encoding: 'utf8', cwd: root },
  );
  if (status === 0) return JSON.parse(stdout);
  throw new SetupError(`loading with device ${device} ended with ${status ?? signal}`, stderr);
}

function expectThat(holds, what, report) {
  process.stdout.write(`${holds ? 'ok  ' : 'FAIL'} ${what}\n`);
  if (holds) return;
  process.stdout.write(`     ${JSON.stringify(report)}\n`);
  process.exitCode = 1;
}

await main(import.meta.url, async () => {
  await setup();
  const torchHome = await provideCudaTorch();
  await buildNative({ torchHome });
  const cpu = load(torchHome, 'cpu');
  expectThat(cpu.device === 'cpu' && cpu.cuda, `the CPU works on torch ${cpu.version}`, cpu);
  const cuda = load(torchHome, 'cuda');
  const auto = load(torchHome, 'auto');
  const fallbacks = auto.warnings.filter((code) => code === 'DSRL_CPU_FALLBACK').length;
  if (cuda.code === undefined) {
    expectThat(cuda.device === 'cuda:0', 'a GPU: device cuda is opened', cuda);
    expectThat(auto.device === 'cuda:0' && fallbacks === 0, 'a GPU: auto takes it', auto);
    return;
  }
  const isClean = cuda.code === 'ERR_DSRL_CUDA_UNAVAILABLE' && cuda.exitCode === 3;
  expectThat(isClean, `no GPU: device cuda is refused in words: ${cuda.message}`, cuda);
  const hasFallenBack = auto.device === 'cpu' && fallbacks === 1;
  expectThat(hasFallenBack, 'no GPU: auto computes on the CPU, with one warning', auto);
});
