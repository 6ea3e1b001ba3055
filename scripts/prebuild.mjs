// Fills prebuilds/linux-x64/ with what the published package carries:
//
//   dsrl-native.glibc.node            the loader, put there by prebuildify
//   torch<X.Y>/dsrl_core.node         a core for each torch that is named
//   torch<X.Y>/build.json             what that core was built with and needs
//   torch<X.Y>/cu<NNN>/libdsrl_cuda.so its CUDA kernels: for a CUDA build of torch, by nvcc
//   libero/dsrl_libero_mujoco<X.Y>.so the LIBERO plugins that have been built
//
//   node scripts/prebuild.mjs [--torch-home DIR]...     (default: the torch of the set-up)

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import prebuildify from 'prebuildify';
import { buildNative, defaultTorchHome, torchMinor } from './build-native.mjs';
import { neededLibraries, newestSymbolVersion } from './prebuild/elf.mjs';
import { cudaCompiler, cudaPluginPath, cudaVersion } from './setup/cuda.mjs';
import { ask, buildDir, main, root, say } from './setup/steps.mjs';

/** Node-API 9 is in every Node that this package runs on. */
const OLDEST_NODE = '20.19.0';
const platformDir = join(root, 'prebuilds', 'linux-x64');

/**
 * prebuildify builds with a program like node-gyp; ours hands it the loader that CMake has made.
 */
async function prebuildLoader() {
  const staging = join(buildDir, 'prebuild');
  const release = join(staging, 'build', 'Release');
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(release, { recursive: true });
  const copy = join(staging, 'copy-loader.sh');
  const loader = join(buildDir, 'Release', 'dsrl-native.node');
  writeFileSync(copy, `#!/bin/sh\ncp "${loader}" "${release}/"\n`);
  chmodSync(copy, 0o755);
  await promisify(prebuildify)({
    name: 'dsrl-native',
    targets: [{ runtime: 'node', target: OLDEST_NODE }],
    napi: true,
    strip: true,
    tagLibc: true,
    nodeGyp: copy,
    cwd: staging,
    out: root,
    quiet: true,
  });
}

/** A copy without symbols, and what it asks of the machine that opens it. */
function prebuildLibrary(from, file, stripping) {
  mkdirSync(dirname(file), { recursive: true });
  copyFileSync(from, file);
  execFileSync('strip', [stripping, file]);
  return {
    glibc: newestSymbolVersion(file, 'GLIBC'),
    glibcxx: newestSymbolVersion(file, 'GLIBCXX'),
    needed: neededLibraries(file),
    sha256: createHash('sha256').update(readFileSync(file)).digest('hex'),
  };
}

function prebuildCore(torchHome) {
  const name = `torch${torchMinor(torchHome)}`;
  const [from, to] = [join(buildDir, name), join(platformDir, name)];
  const core = 'dsrl_core.node';
  const record = {
    torch: torchMinor(torchHome),
    cxx11abi: 1, // every Linux wheel since 2.7
    napi: 9,
    git: ask('git', ['-C', root, 'rev-parse', 'HEAD']),
    ...prebuildLibrary(join(from, core), join(to, core), '--strip-all'),
    cuda: [],
  };
  const { release, why } = cudaCompiler(torchHome);
  if (release !== undefined) {
    const version = cudaVersion(torchHome);
    const file = cudaPluginPath(version);
    const library = prebuildLibrary(join(from, file), join(to, file), '--strip-unneeded');
    record.cuda.push({ version, file, nvcc: release, ...library });
  }
  writeFileSync(join(to, 'build.json'), `${JSON.stringify(record, null, 2)}\n`);
  return `${record.torch} (${why ? `no CUDA kernels: ${why}` : `CUDA ${record.cuda[0].version}`})`;
}

function prebuildPlugins() {
  const built = join(buildDir, 'libero');
  const plugins = existsSync(built) ? readdirSync(built) : [];
  for (const plugin of plugins.filter((name) => /^dsrl_libero_mujoco[\d.]+\.so$/.test(name))) {
    prebuildLibrary(join(built, plugin), join(platformDir, 'libero', plugin), '--strip-unneeded');
  }
}

await main(import.meta.url, async (args) => {
  const options = { 'torch-home': { type: 'string', multiple: true } };
  const { values } = parseArgs({ args, options });
  const torchHomes = values['torch-home'] ?? [defaultTorchHome()];
  rmSync(platformDir, { recursive: true, force: true });
  const cores = [];
  for (const torchHome of torchHomes) {
    await buildNative({ torchHome, targets: ['addon'] });
    cores.push(prebuildCore(torchHome));
  }
  prebuildPlugins();
  await prebuildLoader();
  say(`prebuild: ${platformDir} has the loader and cores for torch ${cores.join(', ')}`, {});
});
