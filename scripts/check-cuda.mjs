// Builds the core and the CUDA kernels against a CUDA build of torch, runs the core's tests on the
// CPU, and loads both with device `cuda`. Without a GPU the answer must be an error in words and a
// CPU that still works; with one, the GPU must work, and the kernels compute there what the host
// does.
//
//   node scripts/check-cuda.mjs [--torch 2.14.1]
//
// The torch goes into build/cuda-venv-<version>: several GB, once. Remove the folder to have them
// back.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { binaryDir, buildNative, torchMinor } from './build-native.mjs';
import { cudaCompiler, cudaPluginPath, cudaVersion } from './setup/cuda.mjs';
import { ask, buildDir, main, root, run, SetupError, say } from './setup/steps.mjs';
import { findPython } from './setup/system.mjs';
import { setup } from './setup.mjs';
import { countGoogleTest } from './test/counts.mjs';

const TORCH_VERSION = '2.14.1';
const FIND_TORCH =
  'import importlib.util as u; print(u.find_spec("torch").submodule_search_locations[0])';

/** The CUDA build's folder; fetched when it is not there. */
async function provideCudaTorch(version) {
  const venv = join(buildDir, `cuda-venv-${version}`);
  const python = join(venv, 'bin', 'python');
  const found = existsSync(python) && ask(python, ['-c', FIND_TORCH]);
  if (found) return found;
  say(`check:cuda: fetching torch ${version}, the CUDA build, into ${venv}`, {});
  say('  3 GB to fetch, 6 GB on disk; remove the folder to have them back', {});
  const hint = 'see that pip reaches its index (pip config list), then run: npm run check:cuda';
  await run('cuda-venv', findPython().command, ['-m', 'venv', '--clear', venv], { hint });
  const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-input'];
  await run('cuda-pip', python, [...pip, `torch==${version}`], { hint, show: true });
  return ask(python, ['-c', FIND_TORCH]);
}

/** The URL of a compiled module of lib/torch, as a literal of a script. */
function compiled(name) {
  return JSON.stringify(pathToFileURL(join(root, 'dist', 'torch', `${name}.js`)));
}

function runScript(script) {
  return spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    cwd: root,
  });
}

/** Loads the core in a process of its own; prints what became of it as one JSON object. */
function load(torchHome, device) {
  const script = `
    const { loadNative } = await import(${compiled('index')});
    const report = { warnings: [] };
    process.on('warning', ({ code }) => report.warnings.push(code));
    try {
      const { device, torch } = loadNative(${JSON.stringify({ device, torchHome })});
      Object.assign(report, { device, cuda: torch.cuda, version: torch.version });
    } catch ({ code, message, exitCode }) {
      Object.assign(report, { code, message, exitCode });
    }
    setImmediate(() => console.log(JSON.stringify(report)));`;
  const { stdout, stderr, status, signal } = runScript(script);
  if (status === 0) return JSON.parse(stdout);
  throw new SetupError(`loading with device ${device} ended with ${status ?? signal}`, stderr);
}

/**
 * libtorch_cuda.so and all that it needs can be opened, and the core can open its kernels beside
 * it; that takes no driver. Returns what became of the kernels.
 */
function openKernels(torchHome, plugin) {
  const coreFile = join(buildDir, `torch${torchMinor(torchHome)}`, 'dsrl_core.node');
  const { status, stdout, stderr } = runScript(`
    const { inspectTorch } = await import(${compiled('inspect')});
    const { openLoader } = await import(${compiled('loader')});
    const { openCore } = await import(${compiled('open')});
    const { currentSurroundings } = await import(${compiled('surroundings')});
    const { CPU_LIBRARIES, CUDA_LIBRARIES, preloadTorch } = await import(${compiled('preload')});
    const torch = inspectTorch(${JSON.stringify(torchHome)});
    const libraries = [...CPU_LIBRARIES, ...CUDA_LIBRARIES];
    preloadTorch(openLoader(currentSurroundings()), torch, libraries);
    const core = openCore(${JSON.stringify(coreFile)}, torch);
    const report = {};
    try {
      if (${plugin !== null}) core.openCudaPlugin(${JSON.stringify(plugin)}, 'cuda:0');
    } catch ({ code, message }) {
      Object.assign(report, { code, message });
    }
    console.log(JSON.stringify(report));`);
  expectThat(status === 0, 'the CUDA libraries of torch can be opened', { status, stderr });
  return status === 0 ? JSON.parse(stdout) : {};
}

/** Where there is an nvcc: the kernels open, are this core's own, and want a GPU. */
function checkKernels(torchHome, hasGpu) {
  const { why } = cudaCompiler(torchHome);
  const folder = join(buildDir, `torch${torchMinor(torchHome)}`);
  const plugin = why ? null : join(folder, cudaPluginPath(cudaVersion(torchHome)));
  if (why) process.stdout.write(`--   the kernels are not checked: ${why}\n`);
  const report = openKernels(torchHome, plugin);
  if (why) return;
  if (!hasGpu) {
    const isClean = report.code === 'ERR_DSRL_CUDA_UNAVAILABLE';
    const what = `the kernels are this core's own and want a GPU: ${report.message}`;
    expectThat(existsSync(plugin) && isClean, what.split('\n')[0], report);
    return;
  }
  expectThat(report.code === undefined, 'a GPU: the kernels are opened', report);
  const filter = '--gtest_filter=CudaKernels.DISABLED_OnAGpu*';
  const program = join(binaryDir(torchHome), 'native', 'dsrl_tests');
  const { status, stdout } = spawnSync(program, ['--gtest_also_run_disabled_tests', filter], {
    encoding: 'utf8',
    env: { ...process.env, DSRL_TEST_CUDA_PLUGIN: plugin },
  });
  const passed = status === 0 && stdout.includes('[  PASSED  ] 1 test');
  expectThat(passed, 'a GPU: the kernels compute what the host does', { status, stdout });
}

function expectThat(holds, what, report) {
  process.stdout.write(`${holds ? 'ok  ' : 'FAIL'} ${what}\n`);
  if (holds) return;
  process.stdout.write(`     ${JSON.stringify(report)}\n`);
  process.exitCode = 1;
}

/** The core's own tests on this torch, on the CPU. */
async function testCore(torchHome) {
  const reports = join(buildDir, 'check-cuda');
  mkdirSync(reports, { recursive: true });
  const program = join(binaryDir(torchHome), 'native', 'dsrl_tests');
  const title = `C++ on ${torchHome}`;
  const { passed, failed } = await countGoogleTest(program, reports, { title });
  expectThat(passed > 0 && failed === 0, "the core's tests pass on the CPU", { passed, failed });
}

/** The command line on this torch: one update of the networks, nothing written. */
function tryTraining(torchHome) {
  const program = join(root, 'bin', 'dsrl-native.js');
  const { status, stderr } = spawnSync(
    process.execPath,
    [program, 'train', 'tabletop', '--dry-run', '--device', 'cpu'],
    { encoding: 'utf8', cwd: root, env: { ...process.env, DSRL_TORCH_HOME: torchHome } },
  );
  expectThat(status === 0, 'train --dry-run works on the CPU', { status, stderr });
}

await main(import.meta.url, async (args) => {
  const { values } = parseArgs({
    args,
    options: { torch: { type: 'string', default: TORCH_VERSION } },
  });
  await setup({ tests: true });
  const torchHome = await provideCudaTorch(values.torch);
  await buildNative({ torchHome, tests: true });
  await testCore(torchHome);
  const cpu = load(torchHome, 'cpu');
  expectThat(cpu.device === 'cpu' && cpu.cuda, `the CPU works on torch ${cpu.version}`, cpu);
  tryTraining(torchHome);
  const cuda = load(torchHome, 'cuda');
  checkKernels(torchHome, cuda.code === undefined);
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
