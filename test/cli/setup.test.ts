import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { main } from '../../lib/cli/main.js';
import { setupTorch } from '../../lib/cli/setup-torch.js';
import { resolveTorch } from '../../lib/torch/resolve.js';
import type { Surroundings } from '../../lib/torch/surroundings.js';
import { emptySurroundings, makePackage, temporaryFolder } from '../torch/fakes.js';

const parent = temporaryFolder();
let folder: string;
let around: Surroundings;
let said: string;
let count = 0;

/**
 * Stands for every Python: makes environments of itself, says what pip would take, and "installs" a
 * torch that is as old as the file `version` says, and calls itself so with the file `suffix`
 * behind.
 */
const PYTHON = `
PATH=/usr/bin:/bin
echo "$@" >> "$FAKE/calls"
version=$(cat "$FAKE/version")
case "$*" in
  *"import pip"*) [ ! -e "$FAKE/no-pip" ] || exit 1; echo 1 ;;
  -c*) cat "$FAKE/python" ;;
  "-m venv"*) shift 3; mkdir -p "$1/bin"; cp "$0" "$1/bin/python"; touch "$1/pyvenv.cfg"
    rm -f "$FAKE/no-pip" ;;
  *--dry-run*)
    if [ -e "$FAKE/no-index" ]; then
      echo "WARNING: Retrying (Retry(total=0)) after connection broken" >&2
      echo "ERROR: No matching distribution found for torch" >&2; exit 1
    fi
    if [ -e "$FAKE/odd" ]; then echo "pip 9"; exit 0; fi
    printf '{"install":[{"metadata":{"version":"%s","requires_dist":[%s]}}]}\\n' \\
    "$version" "$(cat "$FAKE/needs")" ;;
  "-m pip install"*)
    if [ -e "$FAKE/offline" ]; then echo "no index" >&2; exit 1; fi
    echo "Downloading torch-$version.whl (190 MB)"
    sleep 0.2
    root="$(dirname "$(dirname "$0")")/lib/python3.11/site-packages/torch"
    mkdir -p "$root/lib"; touch "$root/lib/libtorch_cpu.so" "$root/lib/libc10.so"
    echo "__version__ = '$version$(cat "$FAKE/suffix")'" > "$root/version.py" ;;
esac`;

function place(name: string, content: string): string {
  const file = join(folder, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

beforeEach(() => {
  folder = join(parent, `case ${count++}`);
  place('version', '2.13.0+cpu');
  place('python', '[3, 11, true]');
  place('needs', '"filelock"');
  place('suffix', '');
  chmodSync(place('bin/python3.11', `#!/bin/sh\n${PYTHON}\n`), 0o755);
  // No core: the torch that is put there has nothing in it to open.
  around = {
    ...emptySurroundings(folder, makePackage(join(folder, 'package'), [])),
    env: { PATH: join(folder, 'bin'), FAKE: folder },
  };
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

function calls(): string[] {
  const file = join(folder, 'calls');
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
  rmSync(file, { force: true });
  return lines.filter((line) => !line.startsWith('import') && !line.startsWith('from'));
}

const cached = (name: string) => join(folder, 'home', '.cache', 'dsrl-native', 'torch', name);
const wish = { minor: '2.13', cpu: true };

test('a torch is put into the cache, where the search finds it; the second time nothing is done', async () => {
  const report = await setupTorch(wish, around);
  const root = join(cached('2.13-cpu'), 'lib', 'python3.11', 'site-packages', 'torch');
  expect(report).toEqual({ root, version: '2.13.0+cpu', cuda: null, core: null });
  const order = ['about 190 MB to fetch, 1 GB on disk', 'Downloading torch', 'dsrl-native build'];
  const places = order.map((text) => said.indexOf(text));
  expect(places).toEqual([...places].sort((a, b) => a - b));
  expect(places).not.toContain(-1);
  expect(calls().filter((line) => line.includes('torch==2.13.0+cpu'))).toHaveLength(1);

  const found = resolveTorch({ refuse: () => null }, { ...around, env: { PATH: '' } });
  expect(found.torch).toMatchObject({ root, source: cached('2.13-cpu') });
  expect(await setupTorch(wish, around)).toEqual(report);
  expect(calls()).toEqual([]);
});

test('what failed is gone on with, in the environment that is there', async () => {
  place('offline', '');
  await expect(setupTorch(wish, around)).rejects.toMatchObject({
    code: 'ERR_DSRL_SETUP_FAILED',
    exitCode: 3,
    message: expect.stringContaining('no index'),
    hint: expect.stringContaining('pip config list'),
  });
  expect(calls().some((line) => line.startsWith('-m venv'))).toBe(true);
  rmSync(join(folder, 'offline'));
  expect((await setupTorch(wish, around)).version).toBe('2.13.0+cpu');
  expect(calls().some((line) => line.startsWith('-m venv'))).toBe(false);
});

test('--cpu where the index has the CUDA build fetches nothing and says what to add', async () => {
  place('version', '2.14.1');
  place('needs', '"filelock","nvidia-cublas"');
  const asked = { minor: '2.14', cpu: true };
  await expect(setupTorch(asked, around)).rejects.toMatchObject({
    code: 'ERR_DSRL_SETUP_CPU',
    hint: expect.stringContaining('--index-url URL'),
  });
  expect(calls().filter((line) => line.includes('torch==2.14.1'))).toEqual([]);
  await setupTorch({ ...asked, cpu: false }, around);
  expect(said).toContain('torch 2.14.1, the CUDA build: about 3 GB to fetch');
});

test('a wheel of the CUDA build, which calls itself otherwise than pip does, is complete too', async () => {
  place('version', '2.14.1');
  place('suffix', '+cu130');
  place('needs', '"nvidia-cublas"');
  const asked = { minor: '2.14', cpu: false };
  expect((await setupTorch(asked, around)).version).toBe('2.14.1+cu130');
  calls();
  expect((await setupTorch(asked, around)).version).toBe('2.14.1+cu130');
  expect(calls()).toEqual([]);
});

test('an environment that was stopped before it had pip is made again', async () => {
  place('offline', '');
  await expect(setupTorch(wish, around)).rejects.toThrow('no index');
  rmSync(join(folder, 'offline'));
  place('no-pip', '');
  calls();
  expect((await setupTorch(wish, around)).version).toBe('2.13.0+cpu');
  expect(calls().some((line) => line.startsWith('-m venv --clear'))).toBe(true);
});

test('a torch that is not complete is not taken, and it is said what completes it', async () => {
  await setupTorch(wish, around);
  rmSync(join(cached('2.13-cpu'), 'dsrl-torch'));
  const found = resolveTorch({ refuse: () => null }, { ...around, env: { PATH: '' } });
  expect(found.torch).toBeNull();
  expect(found.attempts).toContainEqual({
    source: cached('2.13-cpu'),
    verdict: expect.stringContaining('dsrl-native setup goes on with it'),
  });
});

test('two at once: the second waits, and finds the work done', async () => {
  const both = await Promise.all([setupTorch(wish, around), setupTorch(wish, around)]);
  expect(both[0]).toEqual(both[1]);
  expect(calls().filter((line) => line.startsWith('-m venv'))).toHaveLength(1);
  expect(said).toContain('another process works in');
});

test('the lock of a process that was killed is taken over', async () => {
  const { pid } = spawnSync('true');
  place('home/.cache/dsrl-native/setup-2.13-cpu.lock', `${hostname()} ${pid}\n`);
  expect((await setupTorch(wish, around)).version).toBe('2.13.0+cpu');
  expect(existsSync(join(folder, 'home/.cache/dsrl-native/setup-2.13-cpu.lock'))).toBe(false);
});

test('a machine without a network, and a pip that does not answer', async () => {
  place('no-index', '');
  await expect(setupTorch(wish, around)).rejects.toMatchObject({
    code: 'ERR_DSRL_SETUP_FAILED',
    message: expect.stringContaining('pip does not reach its index'),
    hint: expect.stringContaining('network'),
  });
  rmSync(join(folder, 'no-index'));
  place('odd', '');
  await expect(setupTorch(wish, around)).rejects.toMatchObject({
    code: 'ERR_DSRL_SETUP_FAILED',
    exitCode: 3,
  });
});

test.each(['/proc/nowhere', join(parent, 'file')])(
  'a cache folder that cannot be made: %s',
  async (cache) => {
    writeFileSync(join(parent, 'file'), '');
    const elsewhere = { ...around, env: { ...around.env, XDG_CACHE_HOME: cache } };
    await expect(setupTorch(wish, elsewhere)).rejects.toMatchObject({
      code: 'ERR_DSRL_CACHE',
      exitCode: 3,
      message: expect.stringContaining(cache),
      hint: expect.stringContaining('XDG_CACHE_HOME'),
    });
  },
);

test('a disk without the room is refused before anything is fetched, and one with it is not', async () => {
  await expect(setupTorch(wish, { ...around, freeBytes: () => 0.94e9 })).rejects.toMatchObject({
    code: 'ERR_DSRL_CACHE',
    exitCode: 3,
    message: expect.stringMatching(/has room for 0\.9 GB, and torch takes 1\.0 GB/),
    hint: expect.stringContaining('XDG_CACHE_HOME'),
  });
  expect(calls().some((line) => line.includes('torch==') && !line.includes('--dry-run'))).toBe(
    false,
  );
  expect((await setupTorch(wish, { ...around, freeBytes: () => 1e9 })).version).toBe('2.13.0+cpu');
});

test('a machine that the torch would not run on is told so before anything is fetched', async () => {
  vi.spyOn(process, 'platform', 'get').mockReturnValue('darwin');
  await expect(setupTorch(wish, around)).rejects.toThrow(/this is darwin/);
  expect(calls()).toEqual([]);
});

test('without a Python that will do, it is said what was looked at', async () => {
  place('python', '[3, 9, true]');
  await expect(setupTorch(wish, around)).rejects.toMatchObject({
    code: 'ERR_DSRL_SETUP_PYTHON',
    hint: expect.stringMatching(/python3\.11: is Python 3\.9[\s\S]*--python FILE/),
  });
});

test('wrong words end with 2', async () => {
  expect(await main(['setup', '--torch', '2.3'])).toBe(2);
  expect(said).toContain('2.11, 2.12, 2.13, 2.14');
  expect(await main(['setup', 'torch'])).toBe(2);
});
