import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { TorchNotFoundError, UsageError } from '../../lib/errors.js';
import { findCores } from '../../lib/torch/cores.js';
import { findTorchWithCore, loadNative } from '../../lib/torch/load.js';
import { openLoader } from '../../lib/torch/loader.js';
import { torchNotFound } from '../../lib/torch/not-found.js';
import { checkAbi } from '../../lib/torch/open.js';
import { currentSurroundings } from '../../lib/torch/surroundings.js';
import { emptySurroundings, makePackage, makeTorch, temporaryFolder, thrownBy } from './fakes.js';

const folder = temporaryFolder();

describe('no torch that fits', () => {
  const context = {
    attempts: [
      { source: 'LIBTORCH', verdict: 'not set' },
      { source: 'VIRTUAL_ENV=/home/me/venv', verdict: 'torch 2.8.0+cu128 - no core for 2.8' },
      { source: '/usr/bin/python3', verdict: 'no torch package' },
    ],
    minors: ['2.13', '2.14'],
    packageVersion: '0.3.0',
    platform: 'linux-x64 (glibc 2.36)',
    nodeVersion: '20.20.2',
  };

  test('the error of an installed package', () => {
    const error = torchNotFound({ ...context, isCheckout: false });
    expect(error).toMatchObject({ code: 'ERR_DSRL_TORCH_NOT_FOUND', exitCode: 3 });
    expect(error.attempts).toEqual(context.attempts);
    expect(`${error.message}\n${error.hint}`).toMatchInlineSnapshot(`
      "dsrl-native could not load a PyTorch runtime
      platform linux-x64 (glibc 2.36), Node 20.20.2
      dsrl-native 0.3.0 with cores for torch 2.13, 2.14
      tried:
        1. LIBTORCH                   not set
        2. VIRTUAL_ENV=/home/me/venv  torch 2.8.0+cu128 - no core for 2.8
        3. /usr/bin/python3           no torch package
      fix one of:
        - pip install "torch==2.14.*"             in the active environment
        - npx dsrl-native setup --torch 2.14      a private torch, in your cache folder
        - export DSRL_TORCH_HOME=DIR              a torch 2.14 elsewhere: DIR holds its lib/
        - npx dsrl-native build --torch-home DIR  compiles a core for the torch in DIR
      details: dsrl-native doctor"
    `);
  });

  test('the error of a checkout in which nothing was built yet', () => {
    const error = torchNotFound({ ...context, minors: [], isCheckout: true });
    expect(`${error.message}\n${error.hint}`).toMatchInlineSnapshot(`
      "dsrl-native could not load a PyTorch runtime
      platform linux-x64 (glibc 2.36), Node 20.20.2
      dsrl-native 0.3.0 with no core
      tried:
        1. LIBTORCH                   not set
        2. VIRTUAL_ENV=/home/me/venv  torch 2.8.0+cu128 - no core for 2.8
        3. /usr/bin/python3           no torch package
      fix one of:
        - npm run setup  builds a core for the torch that is there, or fetches one
      details: dsrl-native doctor"
    `);
  });

  test('a torch of another minor version is refused before anything of it is opened', () => {
    // The libraries are empty files, and the package has no loader: opening would fail otherwise.
    const around = emptySurroundings(folder, makePackage(join(folder, 'package'), ['2.13']));
    const torchHome = makeTorch(join(folder, 'torch'), '2.12.1');
    const error = thrownBy(() => loadNative({ torchHome }, around));
    expect(error).toBeInstanceOf(TorchNotFoundError);
    const verdict = 'torch 2.12.1 - no core for 2.12';
    expect(error).toMatchObject({ attempts: [{ source: `torchHome=${torchHome}`, verdict }] });
  });
});

describe('which core', () => {
  test('cores are found by their folder; one that was built here goes before a shipped one', () => {
    const root = makePackage(join(folder, 'cores'), ['2.9', '2.13', '2.14']);
    const built = join(root, 'build', 'torch2.13', 'dsrl_core.node');
    mkdirSync(join(root, 'build', 'torch2.13'), { recursive: true });
    writeFileSync(built, '');
    mkdirSync(join(root, 'build', 'torch2.12'));
    const cores = findCores(emptySurroundings(folder, root));
    expect(cores.map(({ minor }) => minor)).toEqual(['2.9', '2.13', '2.14']);
    expect(cores[1]?.file).toBe(built);
    const torchHome = makeTorch(join(folder, 'torch213'), '2.13.0');
    expect(findTorchWithCore(torchHome, emptySurroundings(folder, root)).coreFile).toBe(built);
  });

  test('PREBUILDS_ONLY leaves out what was built here', () => {
    const root = makePackage(join(folder, 'published'), ['2.13']);
    const built = join(root, 'build', 'torch2.14');
    mkdirSync(built, { recursive: true });
    writeFileSync(join(built, 'dsrl_core.node'), '');
    const around = emptySurroundings(folder, root);
    const minors = (env: Record<string, string>) =>
      findCores({ ...around, env }).map(({ minor }) => minor);
    expect(minors({})).toEqual(['2.13', '2.14']);
    expect(minors({ PREBUILDS_ONLY: '1' })).toEqual(['2.13']);
  });

  test('the version inside the library counts, not the text beside it', () => {
    const torch = { version: '2.13.0', minor: '2.13', root: '/t', libDir: '/t/lib', cuda: null };
    const loaderOf = (version: bigint | null) => ({ torchAbiVersion: () => version });
    const check = (version: bigint | null) => checkAbi(loaderOf(version), torch);
    expect(() => check(0x020d_0000_0000_0000n)).not.toThrow();
    expect(() => check(0x020d_0100_0000_0000n)).not.toThrow();
    expect(() => check(0x020c_0000_0000_0000n)).toThrow(
      'is version 2.12, although it calls itself',
    );
    expect(() => check(null)).toThrow('is version unknown');
  });
});

// One process can load one torch: everything below shares it, in this order.
describe('the torch of this checkout', () => {
  test('before: no library, no version', () => {
    expect(openLoader(currentSurroundings()).torchAbiVersion()).toBeNull();
    expect(openLoader(currentSurroundings()).glibcVersion()).toMatch(/^\d+\.\d+$/);
  });

  test('a file that is no library is refused with its name', () => {
    const loader = openLoader(currentSurroundings());
    const file = join(folder, 'libnothing.so');
    writeFileSync(file, '');
    expect(() => loader.preload([file])).toThrow(`cannot load ${file}: `);
    expect(() => loader.preload(['libc.so.6'])).toThrow('not an absolute path: libc.so.6');
    expect(() => loader.preload(7 as unknown as string[])).toThrow('not an array');
    expect(() => loader.preload([7 as unknown as string])).toThrow('not a string');
  });

  test('a torch whose libraries are damaged is named, with the words of the linker', () => {
    const minor = findCores(currentSurroundings()).at(-1)?.minor;
    const torchHome = makeTorch(join(folder, 'damaged'), `${minor}.0`);
    expect(thrownBy(() => loadNative({ torchHome, device: 'cpu' }))).toMatchObject({
      code: 'ERR_DSRL_TORCH_LOAD',
      exitCode: 3,
      message: expect.stringContaining('file too short'),
    });
  });

  test('is loaded, and is what it says', () => {
    const { core, device, torch } = loadNative({ device: 'cpu' });
    expect(device).toBe('cpu');
    expect(core.torchVersion.startsWith(`${torch.minor}.`)).toBe(true);
    const version = openLoader(currentSurroundings()).torchAbiVersion() ?? 0n;
    expect(`${version >> 56n}.${(version >> 48n) & 0xffn}`).toBe(torch.minor);
  });

  test('later calls get the same, or are told that they cannot get another', () => {
    const first = loadNative();
    expect(loadNative({ device: 'cpu', torchHome: first.torch.root })).toEqual(first);
    const torchHome = makeTorch(join(folder, 'other'), first.torch.version);
    expect(thrownBy(() => loadNative({ torchHome }))).toBeInstanceOf(UsageError);
    expect(() => loadNative({ device: 'cuda' })).toThrow(/CUDA|cuda/);
  });

  test('the loader itself refuses a second torch', () => {
    const other = join(makeTorch(join(folder, 'second'), '2.13.0'), 'lib', 'libtorch_cpu.so');
    const preload = () => openLoader(currentSurroundings()).preload([other]);
    expect(preload).toThrow('this process has already loaded another torch');
  });
});
