import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { resolveTorch, surveyTorch } from '../../lib/torch/resolve.js';
import type { Surroundings } from '../../lib/torch/surroundings.js';
import { emptySurroundings, makePackage, makePython, makeTorch, temporaryFolder } from './fakes.js';

const folder = temporaryFolder();
let around: Surroundings;

beforeEach(() => {
  rmSync(join(folder, 'place'), { recursive: true, force: true });
  around = emptySurroundings(place(), makePackage(place('package'), ['2.13']));
});

function place(...path: string[]): string {
  return join(folder, 'place', ...path);
}

const anyTorch = () => null;
const only213 = ({ minor }: { minor: string }) =>
  minor === '2.13' ? null : `no core for ${minor}`;

/** Resolves with these variables set. */
function resolve(env: Record<string, string>, refuse = anyTorch as typeof only213) {
  return resolveTorch({ refuse }, { ...around, env: { PATH: '', ...env } });
}

function verdictOf(root: string): string | undefined {
  return resolveTorch({ torchHome: root, refuse: anyTorch }, around).attempts.at(-1)?.verdict;
}

describe('where torch is looked for', () => {
  test('nothing anywhere: every place is listed with its verdict', () => {
    const { torch, attempts } = resolve({});
    expect(torch).toBeNull();
    expect(attempts).toEqual([
      { source: 'DSRL_TORCH_HOME', verdict: 'not set' },
      { source: 'LIBTORCH', verdict: 'not set' },
      { source: 'VIRTUAL_ENV', verdict: 'not set' },
      { source: 'CONDA_PREFIX', verdict: 'not set' },
      { source: 'python3 on the PATH', verdict: 'not found' },
      { source: 'python on the PATH', verdict: 'not found' },
      { source: place('home', '.cache', 'dsrl-native', 'torch'), verdict: 'empty' },
      { source: 'libtorch of the system', verdict: 'not installed' },
    ]);
  });

  test('each place is preferred to those behind it', () => {
    // From the last to the first: each one added must take over from the one before.
    const system = place('usr', 'lib', 'x86_64-linux-gnu');
    mkdirSync(system, { recursive: true });
    writeFileSync(join(system, 'libtorch_cpu.so'), '');
    mkdirSync(place('usr', 'include', 'torch'), { recursive: true });
    const header = place('usr', 'include', 'torch', 'version.h');
    writeFileSync(header, '#pragma once\n#define TORCH_VERSION "2.13.1"\n');
    around = { ...around, systemLibraryDirs: [system] };
    expect(resolve({}).torch).toMatchObject({ source: system, libDir: system, version: '2.13.1' });

    const cached = makeTorch(place('cache', 'dsrl-native', 'torch', '2.13.0', 'torch'), '2.13.0');
    const env: Record<string, string> = { XDG_CACHE_HOME: place('cache') };
    expect(resolve(env).torch?.root).toBe(cached);

    const onPath = makeTorch(place('path', 'torch'), '2.13.0');
    makePython(place('path', 'bin', 'python'), onPath);
    env.PATH = `${place('path', 'bin')}:${place('path3', 'bin')}`;
    expect(resolve(env).torch?.root).toBe(onPath);
    const onPath3 = makeTorch(place('path3', 'torch'), '2.13.0');
    makePython(place('path3', 'bin', 'python3'), onPath3);
    expect(resolve(env).torch).toMatchObject({
      root: onPath3,
      source: place('path3', 'bin', 'python3'),
    });

    env.CONDA_PREFIX = place('conda');
    makePython(place('conda', 'bin', 'python'), makeTorch(place('conda', 'torch'), '2.13.0'));
    expect(resolve(env).torch?.root).toBe(place('conda', 'torch'));

    env.VIRTUAL_ENV = place('venv');
    makePython(place('venv', 'bin', 'python'), makeTorch(place('venv', 'torch'), '2.13.0'));
    expect(resolve(env).torch).toMatchObject({
      root: place('venv', 'torch'),
      source: `VIRTUAL_ENV=${place('venv')}`,
    });

    const recorded = makeTorch(place('recorded'), '2.13.0');
    mkdirSync(place('package', 'build'));
    writeFileSync(place('package', 'build', 'torch.json'), JSON.stringify({ root: recorded }));
    expect(resolve(env).torch?.root).toBe(recorded);

    env.LIBTORCH = makeTorch(place('libtorch'), '2.13.0');
    expect(resolve(env).torch?.root).toBe(place('libtorch'));

    env.DSRL_TORCH_HOME = makeTorch(place('named'), '2.13.0');
    expect(resolve(env).torch?.root).toBe(place('named'));

    const torchHome = makeTorch(place('argument'), '2.13.0');
    const request = { torchHome, refuse: anyTorch };
    expect(resolveTorch(request, { ...around, env }).torch?.root).toBe(torchHome);
  });

  test('the search stops at the first that fits: Python is not started in vain', () => {
    const trace = place('python-ran');
    makePython(place('bin', 'python3'), null);
    writeFileSync(place('bin', 'python3'), `#!/bin/sh\ntouch '${trace}'\necho null\n`);
    const LIBTORCH = makeTorch(place('libtorch'), '2.13.0');
    const { attempts } = resolve({ LIBTORCH, PATH: place('bin') });
    expect(attempts).toHaveLength(2);
    expect(() => chmodSync(trace, 0o644)).toThrow('ENOENT');
  });

  test('two candidates: the first one that is not refused', () => {
    const LIBTORCH = makeTorch(place('old'), '2.8.0+cu128');
    const good = makeTorch(place('good'), '2.13.0+cpu');
    makePython(place('venv', 'bin', 'python'), good);
    const { torch, attempts } = resolve({ LIBTORCH, VIRTUAL_ENV: place('venv') }, only213);
    expect(torch).toMatchObject({ root: good, version: '2.13.0+cpu', minor: '2.13', cuda: null });
    expect(attempts.slice(1)).toEqual([
      { source: `LIBTORCH=${LIBTORCH}`, verdict: 'torch 2.8.0+cu128 - no core for 2.8' },
      { source: `VIRTUAL_ENV=${place('venv')}`, verdict: 'torch 2.13.0+cpu' },
    ]);
  });

  test('a torch that is named and unusable is an answer, not a reason to take another', () => {
    const LIBTORCH = makeTorch(place('good'), '2.13.0');
    const { torch, attempts } = resolve({ DSRL_TORCH_HOME: '/nowhere', LIBTORCH });
    expect(torch).toBeNull();
    expect(attempts).toEqual([{ source: 'DSRL_TORCH_HOME=/nowhere', verdict: 'no such folder' }]);
  });

  test('one Python is asked once, although two names lead to it', () => {
    makePython(place('venv', 'bin', 'python'), null);
    makePython(place('venv', 'bin', 'python3'), null);
    const { attempts } = resolve({ VIRTUAL_ENV: place('venv'), PATH: place('venv', 'bin') });
    const asked = attempts.filter(({ verdict }) => verdict === 'no torch package');
    expect(asked).toEqual([
      { source: `VIRTUAL_ENV=${place('venv')}`, verdict: 'no torch package' },
    ]);
  });

  test('the newest version in the private cache goes first', () => {
    const cache = place('cache', 'dsrl-native', 'torch');
    for (const version of ['2.9.0', '2.13.0', '2.12.1']) makeTorch(join(cache, version), version);
    expect(resolve({ XDG_CACHE_HOME: place('cache') }).torch?.version).toBe('2.13.0');
  });

  test('a survey looks behind the first that fits too', () => {
    const env = { PATH: '', LIBTORCH: makeTorch(place('libtorch'), '2.13.0') };
    const attempts = surveyTorch({ refuse: anyTorch }, { ...around, env });
    expect(attempts).toContainEqual({
      source: `LIBTORCH=${env.LIBTORCH}`,
      verdict: 'torch 2.13.0',
    });
    expect(attempts.at(-1)).toEqual({ source: 'libtorch of the system', verdict: 'not installed' });
  });
});

describe('what is found there', () => {
  test('a program that is called python and is none', () => {
    makePython(place('venv', 'bin', 'python'), null);
    writeFileSync(place('venv', 'bin', 'python'), '#!/bin/sh\necho hello\n');
    const attempts = resolve({ VIRTUAL_ENV: place('venv') }).attempts;
    expect(attempts.map(({ verdict }) => verdict)).toContain('this Python does not answer');
  });

  test('a neighbour of the right folder: which one to name', () => {
    makeTorch(place('site', 'torch'), '2.13.0');
    expect(verdictOf(place('site'))).toContain(`name ${place('site', 'torch')}`);
    expect(verdictOf(place('site', 'torch', 'lib'))).toContain(`${place('site', 'torch')}`);
    expect(verdictOf(place('site', 'torch', 'version.py'))).toContain('is a file');
    makeTorch(place('mac'), '2.13.0', { libraries: ['libtorch_cpu.dylib'] });
    expect(verdictOf(place('mac'))).toBe('a torch for macOS');
  });

  test('libraries for another processor', () => {
    const root = makeTorch(place('arm'), '2.13.0');
    const header = Buffer.alloc(64);
    header.write('\x7fELF', 'latin1');
    header.writeUInt16LE(process.arch === 'arm64' ? 62 : 183, 18);
    writeFileSync(join(root, 'lib', 'libtorch_cpu.so'), header);
    expect(verdictOf(root)).toContain('another processor');
    header.writeUInt16LE(process.arch === 'arm64' ? 183 : 62, 18);
    writeFileSync(join(root, 'lib', 'libtorch_cpu.so'), header);
    expect(verdictOf(root)).toBe('torch 2.13.0');
  });

  test('a private cache that is a file, and one that is named from the working folder', () => {
    mkdirSync(place('cache', 'dsrl-native'), { recursive: true });
    writeFileSync(place('cache', 'dsrl-native', 'torch'), '');
    const source = place('cache', 'dsrl-native', 'torch');
    expect(resolve({ XDG_CACHE_HOME: place('cache') }).attempts).toContainEqual({
      source,
      verdict: 'cannot be read (ENOTDIR)',
    });
    const home = place('home', '.cache', 'dsrl-native', 'torch');
    expect(resolve({ XDG_CACHE_HOME: 'cache' }).attempts).toContainEqual({
      source: home,
      verdict: 'empty',
    });
  });

  test('a Python without torch, a broken one, and an environment without Python', () => {
    makePython(place('without', 'bin', 'python'), null);
    makePython(place('broken', 'bin', 'python'), null, 1);
    const verdict = (VIRTUAL_ENV: string) =>
      resolve({ VIRTUAL_ENV }).attempts.find(({ source }) => source.startsWith('VIRTUAL_ENV'))
        ?.verdict;
    expect(verdict(place('without'))).toBe('no torch package');
    expect(verdict(place('broken'))).toBe('this Python does not run');
    expect(verdict(place('gone'))).toBe(`no ${place('gone', 'bin', 'python')}`);
  });

  test('folders that are no torch', () => {
    mkdirSync(place('empty'));
    expect(verdictOf(place('empty'))).toBe('no lib/libtorch_cpu.so in it');
    expect(verdictOf(place('gone'))).toBe('no such folder');
    makeTorch(place('without-library'), '2.13.0', { libraries: ['libc10.so'] });
    expect(verdictOf(place('without-library'))).toBe('no lib/libtorch_cpu.so in it');
    makeTorch(place('without-version'), '2.13.0');
    rmSync(place('without-version', 'version.py'));
    expect(verdictOf(place('without-version'))).toBe('its version is not written');
    makeTorch(place('odd-version'), 'main');
    expect(verdictOf(place('odd-version'))).toBe('its version is not written');
  });

  test('a folder that may not be read', () => {
    makeTorch(place('closed'), '2.13.0');
    chmodSync(place('closed'), 0o000);
    chmodSync(folder, 0o755);
    // Root may read everything: become nobody for the moment.
    const user = process.geteuid?.();
    if (user === 0) process.seteuid?.(65534);
    const verdict = verdictOf(place('closed'));
    if (user === 0) process.seteuid?.(0);
    chmodSync(place('closed'), 0o755);
    expect(verdict).toBe('cannot be read (EACCES)');
  });

  test('a libtorch archive has its version in build-version, and CUDA in its suffix', () => {
    const root = makeTorch(place('archive'), '0', { cuda: '13.0' });
    rmSync(join(root, 'version.py'));
    writeFileSync(join(root, 'build-version'), '2.14.1+cu130\n');
    const { torch } = resolveTorch({ torchHome: root, refuse: anyTorch }, around);
    expect(torch).toMatchObject({ version: '2.14.1+cu130', minor: '2.14', cuda: '13.0' });
  });

  test('CUDA counts where its library is there', () => {
    const whole = makeTorch(place('whole'), '2.14.1', { cuda: '13.0' });
    const found = resolveTorch({ torchHome: whole, refuse: anyTorch }, around).torch;
    expect(found?.cuda).toBe('13.0');
    rmSync(join(whole, 'lib', 'libtorch_cuda.so'));
    const damaged = resolveTorch({ torchHome: whole, refuse: anyTorch }, around).torch;
    expect(damaged?.cuda).toBeNull();
  });

  test('a damaged record of the set-up is said, and the search goes on', () => {
    mkdirSync(place('package', 'build'));
    writeFileSync(place('package', 'build', 'torch.json'), '{');
    makePython(place('bin', 'python3'), makeTorch(place('torch'), '2.13.0'));
    const { torch, attempts } = resolve({ PATH: place('bin') });
    expect(torch?.root).toBe(place('torch'));
    expect(attempts).toContainEqual({
      source: 'npm run setup (build/torch.json)',
      verdict: 'damaged; run npm run setup',
    });
  });
});
