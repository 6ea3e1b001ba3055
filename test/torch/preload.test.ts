import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { CPU_LIBRARIES, CUDA_LIBRARIES, preloadTorch } from '../../lib/torch/preload.js';
import { makeTorch, temporaryFolder } from './fakes.js';

const folder = temporaryFolder();

/** A dynamic linker that knows which library needs which, and what was opened, in order. */
function fakeLoader(needs: Record<string, string[]>) {
  const opened: string[] = [];
  const isOpen = (name: string) => opened.some((file) => file.endsWith(`/${name}`));
  return {
    opened,
    preload([file]: readonly string[]) {
      if (file === undefined) throw new Error('no file was named');
      const missing = (needs[file.split('/').at(-1) ?? ''] ?? []).find((name) => !isOpen(name));
      if (missing !== undefined) {
        const words = 'cannot open shared object file: No such file or directory';
        throw new Error(`cannot load ${file}: ${missing}: ${words}`);
      }
      opened.push(file);
    },
  };
}

function torchIn(name: string) {
  const root = makeTorch(join(folder, name, 'torch'), '2.14.1', { cuda: '13.0' });
  return { root, libDir: join(root, 'lib'), version: '2.14.1', minor: '2.14', cuda: '13.0' };
}

function addNvidia(torchRoot: string, folderName: string, library: string): string {
  const file = join(dirname(torchRoot), 'nvidia', folderName, 'lib', library);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, '');
  return file;
}

test('libraries are opened in the order of their dependencies, and libtorch.so never', () => {
  const loader = fakeLoader({
    'libtorch_cpu.so': ['libc10.so'],
    'libc10_cuda.so': ['libc10.so'],
    'libtorch_cuda.so': ['libtorch_cpu.so', 'libc10_cuda.so'],
  });
  const torch = torchIn('order');
  preloadTorch(loader, torch, CPU_LIBRARIES);
  expect(loader.opened).toEqual(['libc10.so', 'libtorch_cpu.so'].map((n) => join(torch.libDir, n)));
  preloadTorch(loader, torch, CUDA_LIBRARIES);
  expect(loader.opened.map((file) => file.split('/').at(-1))).toEqual([
    'libc10.so',
    'libtorch_cpu.so',
    'libc10_cuda.so',
    'libtorch_cuda.so',
  ]);
});

test('a dependency that is missed is looked up in the nvidia packages, and theirs too', () => {
  const loader = fakeLoader({
    'libtorch_cuda.so': ['libcublas.so.13', 'libcudnn.so.9'],
    'libcublas.so.13': ['libcublasLt.so.13'],
  });
  const torch = torchIn('nvidia');
  const cublasLt = addNvidia(torch.root, 'cu13', 'libcublasLt.so.13');
  const cublas = addNvidia(torch.root, 'cu13', 'libcublas.so.13');
  const cudnn = addNvidia(torch.root, 'cudnn', 'libcudnn.so.9');
  preloadTorch(loader, torch, ['libtorch_cuda.so']);
  const last = join(torch.libDir, 'libtorch_cuda.so');
  expect(loader.opened).toEqual([cublasLt, cublas, cudnn, last]);
});

test('a dependency that is nowhere, and one that stays missed, end in the linker`s words', () => {
  const torch = torchIn('nowhere');
  const lacking = fakeLoader({ 'libtorch_cuda.so': ['libcublas.so.13'] });
  expect(() => preloadTorch(lacking, torch, ['libtorch_cuda.so'])).toThrow('libcublas.so.13');
  addNvidia(torch.root, 'cu13', 'libcublas.so.13');
  const endless = {
    preload() {
      throw new Error('libcublas.so.13: cannot open shared object file: No such file');
    },
  };
  expect(() => preloadTorch(endless, torch, ['libtorch_cuda.so'])).toThrow('libcublas.so.13');
});
