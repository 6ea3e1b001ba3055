import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { Surroundings } from '../../lib/torch/surroundings.js';

/** A folder of its own for one test file, gone when the file's tests are done. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'dsrl torch '));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A torch as far as its files tell: version.py and libraries without content. */
export function makeTorch(
  root: string,
  version: string,
  { cuda, libraries }: { cuda?: string; libraries?: string[] } = {},
): string {
  mkdirSync(join(root, 'lib'), { recursive: true });
  const cudaLibraries = cuda === undefined ? [] : ['libc10_cuda.so', 'libtorch_cuda.so'];
  for (const name of libraries ?? ['libc10.so', 'libtorch_cpu.so', ...cudaLibraries]) {
    writeFileSync(join(root, 'lib', name), '');
  }
  const text = [
    'from typing import Optional',
    `__version__ = '${version}'`,
    'debug = False',
    `cuda: Optional[str] = ${cuda === undefined ? 'None' : `'${cuda}'`}`,
    "git_version = '0123456789abcdef'",
  ];
  writeFileSync(join(root, 'version.py'), `${text.join('\n')}\n`);
  return root;
}

/** A program that answers as Python does when it is asked where torch is; `exit`: a broken one. */
export function makePython(file: string, torch: string | null, exit = 0): string {
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(file, `#!/bin/sh\necho '${JSON.stringify(torch)}'\nexit ${exit}\n`);
  chmodSync(file, 0o755);
  return file;
}

/** A package folder with cores (files without content) for these minor versions of torch. */
export function makePackage(root: string, minors: readonly string[]): string {
  mkdirSync(root, { recursive: true });
  writeFileSync(join(root, 'package.json'), '{ "name": "dsrl-native", "version": "0.3.0" }');
  for (const minor of minors) {
    const folder = join(root, 'prebuilds', 'linux-x64', `torch${minor}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'dsrl_core.node'), '');
  }
  return root;
}

/** Surroundings in which nothing is there but what the test puts there. */
export function emptySurroundings(folder: string, packageRoot: string): Surroundings {
  return {
    env: { PATH: '' },
    home: join(folder, 'home'),
    packageRoot,
    systemLibraryDirs: [],
    freeBytes: () => Number.POSITIVE_INFINITY,
  };
}

/** Compiles a shared library from C; the set-up has seen to a compiler. */
export function makeLibrary(file: string, source: string): string {
  mkdirSync(join(file, '..'), { recursive: true });
  writeFileSync(`${file}.c`, source);
  const compiler = process.env.CC ?? 'cc';
  const flags = ['-shared', '-fPIC', '-o', file, `${file}.c`];
  const { status, stderr } = spawnSync(compiler, flags, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${compiler} failed: ${stderr}`);
  return file;
}

/** What `body` throws. */
export function thrownBy(body: () => unknown): unknown {
  try {
    body();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}
