import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { buildCore } from '../../lib/cli/build-core.js';
import { main } from '../../lib/cli/main.js';
import { findCores } from '../../lib/torch/cores.js';
import { findTorchWithCore } from '../../lib/torch/load.js';
import { currentSurroundings, type Surroundings } from '../../lib/torch/surroundings.js';
import { emptySurroundings, makePackage, makeTorch, temporaryFolder } from '../torch/fakes.js';

const parent = temporaryFolder();
const real = currentSurroundings();
const realTorch: string = JSON.parse(
  readFileSync(join(real.packageRoot, 'build', 'torch.json'), 'utf8'),
).root;
const [core] = findCores(real);

let folder: string;
let around: Surroundings;
let said: string;
let count = 0;

function place(name: string, content: string): string {
  const file = join(folder, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

function program(name: string, script: string): void {
  chmodSync(place(`bin/${name}`, `#!/bin/sh\n${script}\n`), 0o755);
}

/** Stands for CMake: "compiles" by copying what this checkout has built. */
const CMAKE = `
PATH=/usr/bin:/bin
echo "$@" >> "$FAKE/calls"
case "$1" in
  --version) echo 'cmake version 3.28.1' ;;
  -S) for word in "$@"; do case "$word" in
      -DDSRL_OUTPUT_DIR=*) echo "\${word#*=}" > "$FAKE/out" ;; esac; done ;;
  --build)
    if [ -e "$FAKE/broken" ]; then echo 'error: no member' >&2; exit 2; fi
    out=$(cat "$FAKE/out")
    mkdir -p "$out/Release" "$out/torch${core?.minor}"
    echo '[ 50%] Building CXX object'
    cp "${join(real.packageRoot, 'build', 'Release', 'dsrl-native.node')}" "$out/Release/"
    cp "${core?.file}" "$out/torch${core?.minor}/" ;;
esac`;

beforeEach(() => {
  folder = join(parent, `case ${count++}`);
  program('g++', 'echo 13');
  program('make', 'exit 0');
  program('cmake', CMAKE);
  const root = makePackage(join(folder, 'package'), []);
  for (const name of ['node-addon-api', 'node-api-headers']) {
    place(`package/node_modules/${name}/package.json`, `{ "name": "${name}" }`);
  }
  place('package/node_modules/node-addon-api/napi.h', '');
  place('package/node_modules/node-api-headers/include/node_api.h', '');
  // The loader, as an installed package has it.
  const shipped = join(real.packageRoot, 'build', 'Release', 'dsrl-native.node');
  mkdirSync(join(root, 'prebuilds', 'linux-x64'), { recursive: true });
  writeFileSync(join(root, 'prebuilds', 'linux-x64', 'dsrl-native.node'), readFileSync(shipped));
  around = { ...emptySurroundings(folder, root), env: { PATH: join(folder, 'bin'), PWD: folder } };
  said = '';
  vi.stubEnv('FAKE', folder);
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += text;
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

test('a core is compiled into the cache, opened there, and found afterwards', async () => {
  expect(() => findTorchWithCore(realTorch, around)).toThrow();
  const report = await buildCore(realTorch, around);
  const built = join(folder, 'home', '.cache', 'dsrl-native', 'native', '0.3.0', 'linux-x64');
  const file = join(built, `torch${core?.minor}`, 'dsrl_core.node');
  expect(report).toMatchObject({ core: file, torch: realTorch });
  expect(findTorchWithCore(realTorch, around)).toMatchObject({ coreFile: file });
  expect(existsSync(join(built, 'Release', 'dsrl-native.node'))).toBe(true);
  expect(existsSync(join(built, `work-${core?.minor}`))).toBe(false);
  const calls = readFileSync(join(folder, 'calls'), 'utf8');
  expect(calls).toContain(`-S ${around.packageRoot} `);
  expect(calls).toContain(`-DDSRL_TORCH_HOME=${realTorch}`);
  expect(calls).toContain('-DDSRL_TESTS=OFF');
  expect(said).toContain('[ 50%] Building CXX object');
});

test('a build that fails shows the last words and can be gone on with', async () => {
  place('broken', '');
  await expect(buildCore(realTorch, around)).rejects.toMatchObject({
    code: 'ERR_DSRL_SETUP_FAILED',
    exitCode: 3,
    message: expect.stringContaining('error: no member'),
    hint: expect.stringContaining('remove'),
  });
  expect(findCores(around)).toEqual([]);
  rmSync(join(folder, 'broken'));
  await buildCore(realTorch, around);
  expect(findCores(around)).toHaveLength(1);
});

test('all that is missing is named at once, with what to type', async () => {
  program('g++', 'echo 9');
  program('cmake', "echo 'cmake version 3.22.1'");
  rmSync(join(folder, 'bin', 'make'));
  rmSync(join(folder, 'package', 'node_modules'), { recursive: true });
  await expect(buildCore(realTorch, around)).rejects.toMatchObject({
    code: 'ERR_DSRL_BUILD_TOOLS',
    exitCode: 3,
    message: expect.stringMatching(/C\+\+20 compiler.*CMake 3\.25.*make or ninja.*node-addon-api/),
    hint: expect.stringMatching(
      /apt-get install g\+\+ cmake make[\s\S]*npm install --no-save .*node-addon-api/,
    ),
  });
});

test('a folder that cannot be compiled against is refused with the reason', async () => {
  await expect(buildCore(join(folder, 'nowhere'), around)).rejects.toMatchObject({
    code: 'ERR_DSRL_BUILD_TORCH',
    exitCode: 2,
    message: expect.stringContaining('no such folder'),
  });
  const bare = makeTorch(join(folder, 'bare'), '2.13.0');
  await expect(buildCore(bare, around)).rejects.toThrow(join('include', 'ATen', 'ATen.h'));
});

test('a cache folder that cannot be made', async () => {
  const env = { ...around.env, XDG_CACHE_HOME: '/proc/nowhere' };
  await expect(buildCore(realTorch, { ...around, env })).rejects.toMatchObject({
    code: 'ERR_DSRL_CACHE',
    exitCode: 3,
  });
});

test('two at once: one after the other', async () => {
  const both = await Promise.all([buildCore(realTorch, around), buildCore(realTorch, around)]);
  expect(both[0]).toEqual(both[1]);
  expect(said).toContain('another process works in');
  expect(findCores(around)).toHaveLength(1);
});

test('wrong words end with 2', async () => {
  vi.stubEnv('DSRL_TORCH_HOME', '');
  expect(await main(['build'])).toBe(2);
  expect(said).toContain('--torch-home DIR');
});
