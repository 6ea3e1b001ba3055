import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { makeTorch, temporaryFolder } from '../torch/fakes.js';
import { importScript } from './scripts.js';

const { cudaCompiler, cudaPluginPath, cudaVersion } = await importScript<{
  cudaCompiler(torchHome: string): { nvcc?: string; release?: string; why?: string };
  cudaPluginPath(version: string): string;
  cudaVersion(torchHome: string): string | null;
}>('setup/cuda.mjs');

const folder = temporaryFolder();
const cpu = makeTorch(join(folder, 'cpu'), '2.13.0+cpu');
const cuda = makeTorch(join(folder, 'cuda'), '2.14.1+cu130', { cuda: '13.0' });

/** A toolkit whose nvcc says that it is of this release. */
function toolkit(release: string): string {
  const nvcc = join(folder, release, 'bin', 'nvcc');
  mkdirSync(join(nvcc, '..'), { recursive: true });
  writeFileSync(
    nvcc,
    `#!/bin/sh\necho 'Cuda compilation tools, release ${release}, V${release}.88'\n`,
  );
  chmodSync(nvcc, 0o755);
  vi.stubEnv('CUDA_HOME', join(folder, release));
  return nvcc;
}

afterEach(() => vi.unstubAllEnvs());

test('a CPU build of torch has no kernels, whatever nvcc there is', () => {
  toolkit('13.0');
  expect(cudaVersion(cpu)).toBeNull();
  expect(cudaCompiler(cpu)).toEqual({ why: 'a CPU build of torch' });
});

test('an nvcc of the same major version compiles them, and another does not', () => {
  expect(cudaVersion(cuda)).toBe('13.0');
  const nvcc = toolkit('13.2');
  expect(cudaCompiler(cuda)).toEqual({ nvcc, release: '13.2' });
  const old = toolkit('12.8');
  expect(cudaCompiler(cuda)).toEqual({ why: `torch was built for CUDA 13.0, and ${old} is 12.8` });
});

test('the loader looks for them where the build puts them', async () => {
  const { cudaPluginFile } = await import('../../lib/torch/cuda-plugin.js');
  for (const version of ['13.0', '12.8']) {
    const beside = join('torch2.14', cudaPluginPath(version));
    expect(cudaPluginFile(join('torch2.14', 'dsrl_core.node'), { cuda: version })).toBe(beside);
  }
});
