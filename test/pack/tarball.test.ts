import { lstatSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { expect, test } from 'vitest';
import {
  exportedSymbols,
  neededLibraries,
  newestSymbolVersion,
  runPaths,
} from '../../scripts/prebuild/elf.mjs';
import { packTarball, root, temporaryFolder } from './support/tarball.js';

const { file, entries } = packTarball(temporaryFolder());
const paths = entries.map(({ path }) => path);
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const loader = 'prebuilds/linux-x64/dsrl-native.glibc.node';
const cores = paths.filter((path) => path.endsWith('/dsrl_core.node'));

test('the tarball has the commands, the types, the recipes, the policy and the prebuilds', () => {
  const needed = [
    'bin/dsrl-native.js',
    'dist/index.js',
    'dist/index.d.ts',
    'configs/tabletop.yaml',
  ];
  expect(paths).toEqual(expect.arrayContaining([...needed, 'policies/tabletop/policy.pt', loader]));
  expect(cores).not.toEqual([]);
});

test('it is small, has no torch, no links and nothing that npm would build', () => {
  expect(statSync(file).size).toBeLessThan(25e6);
  expect(paths.filter((path) => /libtorch|libc10|\.gyp$|\.gypi$/.test(path))).toEqual([]);
  expect(paths.filter((path) => /\.(test|slow)\.ts$|^(test|build|logs)\//.test(path))).toEqual([]);
  expect(paths.filter((path) => lstatSync(join(root, path)).isSymbolicLink())).toEqual([]);
  expect(manifest.gypfile).toBe(false);
  const scripts = Object.keys(manifest.scripts);
  expect(scripts.filter((name) => /^(pre|post)?(install|prepare)$/.test(name))).toEqual([]);
});

test('the loader needs no torch', () => {
  expect(neededLibraries(join(root, loader))).toEqual([
    'libc.so.6',
    'libgcc_s.so.1',
    'libstdc++.so.6',
  ]);
});

test.each([loader, ...cores])('%s has no run path and exports what Node looks for', (path) => {
  expect(runPaths(join(root, path))).toEqual([]);
  expect(exportedSymbols(join(root, path))).toEqual([
    'napi_register_module_v1',
    'node_api_module_get_api_version_v1',
  ]);
});

test.each(cores)('%s needs what its build.json says, and no CUDA', (path) => {
  const core = join(root, path);
  const record = JSON.parse(readFileSync(join(core, '..', 'build.json'), 'utf8'));
  expect(neededLibraries(core)).toEqual(record.needed);
  expect(newestSymbolVersion(core, 'GLIBC')).toBe(record.glibc);
  expect(newestSymbolVersion(core, 'GLIBCXX')).toBe(record.glibcxx);
  // ld-linux is there for thread-local variables of torch's headers.
  const system = ['ld-linux-x86-64.so.2', 'libc.so.6', 'libgcc_s.so.1', 'libm.so.6'];
  const allowed = [...system, 'libstdc++.so.6', 'libc10.so', 'libtorch_cpu.so'];
  expect(record.needed.filter((name: string) => !allowed.includes(name))).toEqual([]);
  expect(record.needed).toEqual(expect.arrayContaining(['libc10.so', 'libtorch_cpu.so']));
});

test('publint finds nothing', async () => {
  const tarball = readFileSync(file);
  const buffer = tarball.buffer.slice(tarball.byteOffset, tarball.byteOffset + tarball.byteLength);
  const { messages } = await publint({ pack: { tarball: buffer as ArrayBuffer }, strict: true });
  expect(messages.map((message) => formatMessage(message, manifest))).toEqual([]);
});

test('the types are those of the code, for whoever resolves them', async () => {
  const analysis = await checkPackage(createPackageFromTarballData(readFileSync(file)));
  if (analysis.types === false) throw new Error('no types');
  // An ES module: TypeScript for CommonJS is told so, and Node can require() it. `node10` knows no
  // exports and is no longer supported.
  const problems = analysis.problems.filter(
    (problem) => !('resolutionKind' in problem && problem.resolutionKind === 'node10'),
  );
  expect(problems.map(({ kind }) => kind)).toEqual(['CJSResolvesToESM']);
});
