// Builds the native code with CMake: the loader into build/Release, the core into build/torch<X.Y>.
//
//   node scripts/build-native.mjs [--torch-home DIR] [--target NAME]... [--tests]
//                                 [--sanitize address,undefined]
//                                 [--mujoco-include DIR | --libero]
//
// LIBERO's plugin is compiled into build/libero when headers of MuJoCo are known: DIR, else those
// of the bundle that `dsrl-native libero setup` made. `--libero` builds it and nothing else.
// For a CUDA build of torch the kernels are compiled beside its core, into cu<NNN>/, by an nvcc of
// the same major version (CUDA_HOME, the PATH, /usr/local/cuda); without one they are left out.
// Nothing is fetched: Node's headers come from the packages node-api-headers and node-addon-api.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, homedir, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { cudaCompiler, cudaVersion } from './setup/cuda.mjs';
import { buildDir, main, readJson, root, run, SetupError, say, which } from './setup/steps.mjs';
import { findCompiler, gtestDir } from './setup/system.mjs';

const BYTES_PER_COMPILER = 2 * 1024 ** 3;

export function defaultTorchHome() {
  const home = process.env.DSRL_TORCH_HOME ?? readJson(join(buildDir, 'torch.json'))?.root;
  if (home) return home;
  throw new SetupError('no torch to build against is known', 'type: npm run setup');
}

export function torchMinor(torchHome) {
  const file = join(torchHome, 'version.py');
  const minor =
    existsSync(file) && readFileSync(file, 'utf8').match(/__version__ = '(\d+\.\d+)/)?.[1];
  if (minor) return minor;
  throw new SetupError(
    `${torchHome} is not a torch package`,
    'give --torch-home the folder that holds version.py, include/ and lib/',
  );
}

/** The folder in which CMake works for this torch and these sanitizers. */
export function binaryDir(torchHome, sanitize = '') {
  const suffix = sanitize === '' ? '' : `-${sanitize.replaceAll(',', '-')}`;
  return join(buildDir, `cmake-${torchMinor(torchHome)}${suffix}`);
}

/** Where the loader and the core are put: an instrumented addon never lies where the others do. */
export function outputDir(torchHome, sanitize = '') {
  return sanitize === '' ? buildDir : join(binaryDir(torchHome, sanitize), 'addon');
}

/** The headers in the bundle of LIBERO; empty where there is none. */
function bundledMujoco() {
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const home = process.env.DSRL_LIBERO || join(cache, 'dsrl-native', 'libero');
  const bundle = process.env.DSRL_LIBERO_BUNDLE || join(home, 'bundle');
  const include = join(bundle, 'include');
  return existsSync(join(include, 'mujoco', 'mujoco.h')) ? include : '';
}

function configureArguments({
  torchHome,
  sanitize = '',
  tests,
  addon = true,
  mujocoInclude,
  nvcc,
}) {
  const modules = join(root, 'node_modules');
  const headers = [join(modules, 'node-api-headers', 'include'), join(modules, 'node-addon-api')];
  const ninja = which('ninja');
  const compiler = findCompiler();
  return [
    ...(ninja ? ['-G', 'Ninja', `-DCMAKE_MAKE_PROGRAM=${ninja}`] : ['-G', 'Unix Makefiles']),
    ...(process.env.CXX || !compiler ? [] : [`-DCMAKE_CXX_COMPILER=${compiler}`]),
    `-DCMAKE_BUILD_TYPE=Release`,
    `-DCMAKE_PREFIX_PATH=${join(gtestDir, 'usr')}`,
    `-DDSRL_TORCH_HOME=${torchHome}`,
    `-DDSRL_NODE_INCLUDE=${headers.join(';')}`,
    `-DDSRL_SANITIZE=${sanitize}`,
    `-DDSRL_OUTPUT_DIR=${outputDir(torchHome, sanitize)}`,
    `-DDSRL_MUJOCO_INCLUDE=${mujocoInclude}`,
    `-DDSRL_CUDA=${nvcc ? 'ON' : 'OFF'}`,
    ...(nvcc ? [`-DDSRL_NVCC=${nvcc}`] : []),
    `-DDSRL_ADDON=${addon ? 'ON' : 'OFF'}`,
    `-DDSRL_TESTS=${tests ? 'ON' : 'OFF'}`,
  ];
}

/**
 * Configures when something that CMake cannot see has changed, then builds what is out of date.
 * A folder that was configured with the tests keeps them: `npm test` and the rest share one build.
 * `targets` are CMake's; `addon` among them stands for the loader, the core and its CUDA kernels.
 */
export async function buildNative(options) {
  const torchHome = options.torchHome ?? defaultTorchHome();
  const folder = binaryDir(torchHome, options.sanitize);
  const record = join(folder, 'dsrl-configure.json');
  const before = readJson(record);
  const tests = options.tests || (before?.includes('-DDSRL_TESTS=ON') ?? false);
  const mujocoInclude = options.mujocoInclude ?? bundledMujoco();
  // An instrumented build runs on the CPU alone.
  const { nvcc, why } = options.sanitize ? {} : cudaCompiler(torchHome);
  if (why && cudaVersion(torchHome) !== null) say(`native: no CUDA kernels: ${why}`, options);
  const wanted = configureArguments({ ...options, torchHome, tests, mujocoInclude, nvcc });
  const cmake = which('cmake') ?? 'cmake';
  if (JSON.stringify(before) !== JSON.stringify(wanted)) {
    mkdirSync(folder, { recursive: true });
    const fresh = before && before[1] !== wanted[1] ? ['--fresh'] : [];
    await run('cmake', cmake, [...fresh, '-S', root, '-B', folder, ...wanted], {
      ...options,
      hint: `mend what CMake says above, or remove ${folder}; then run: npm run build:native`,
    });
    writeFileSync(record, JSON.stringify(wanted));
    say('setup: building the native code (a first build takes some minutes)', options);
  }
  const addon = ['dsrl_loader', 'dsrl_core_node', ...(nvcc ? ['dsrl_cuda'] : [])];
  const libero = mujocoInclude === '' ? [] : ['dsrl_libero'];
  const targets =
    options.targets?.flatMap((name) => (name === 'addon' ? addon : [name])) ??
    (options.tests ? [] : [...addon, ...libero]);
  const jobs = Math.max(
    1,
    Math.min(availableParallelism(), Math.floor(totalmem() / BYTES_PER_COMPILER)),
  );
  const build = ['--build', folder, '--parallel', `${jobs}`];
  await run('native', cmake, [...build, ...targets.flatMap((name) => ['--target', name])], {
    ...options,
    show: true,
    hint: 'mend the errors above, then run: npm run build:native',
  });
}

await main(import.meta.url, async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      'torch-home': { type: 'string' },
      target: { type: 'string', multiple: true },
      sanitize: { type: 'string' },
      tests: { type: 'boolean' },
      'mujoco-include': { type: 'string' },
      libero: { type: 'boolean' },
      quiet: { type: 'boolean' },
    },
  });
  const { 'torch-home': torchHome, 'mujoco-include': given, libero, ...others } = values;
  const mujocoInclude = given === undefined ? undefined : resolve(given);
  const targets = libero ? ['dsrl_libero'] : values.target;
  if (libero && (mujocoInclude ?? bundledMujoco()) === '') {
    throw new SetupError(
      'no headers of MuJoCo are known, and without them there is no plugin for LIBERO',
      'type: dsrl-native libero setup, or give --mujoco-include DIR (it holds mujoco/mujoco.h)',
    );
  }
  await buildNative({ ...others, targets, torchHome, mujocoInclude });
});
