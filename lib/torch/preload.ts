import { existsSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { TorchInfo } from './inspect.js';
import type { Loader } from './loader.js';

/**
 * libtorch.so is never opened: in a CUDA build it drags libtorch_cuda.so in, also where the CPU
 * was asked for. The core is linked with the first two, and CUDA appears with the second two.
 */
export const CPU_LIBRARIES = ['libc10.so', 'libtorch_cpu.so'] as const;
export const CUDA_LIBRARIES = ['libc10_cuda.so', 'libtorch_cuda.so'] as const;

/** Opens libraries of torch in the order given. Throws what the dynamic linker says. */
export function preloadTorch(
  loader: Pick<Loader, 'preload'>,
  torch: TorchInfo,
  libraries: readonly string[],
): void {
  for (const library of libraries) {
    preloadWithDependencies(loader, torch, join(torch.libDir, library));
  }
}

/**
 * Opens one library. A CUDA wheel finds its own dependencies by a run path into the neighbouring
 * nvidia packages; where the layout does not hold (files moved, a link for site-packages), the
 * dependency that is missed is looked up there and opened first, as torch itself does in Python.
 */
function preloadWithDependencies(
  loader: Pick<Loader, 'preload'>,
  torch: TorchInfo,
  file: string,
  opened: Set<string> = new Set(),
): void {
  for (;;) {
    try {
      loader.preload([file]);
      return;
    } catch (error) {
      const missing = missingLibrary(error);
      const found = missing === null ? null : findInNvidiaPackages(torch.root, missing);
      // Opened and still missed: it is something else, and trying again would never end.
      if (found === null || opened.has(found)) throw error;
      opened.add(found);
      preloadWithDependencies(loader, torch, found, opened);
    }
  }
}

/** `libcublas.so.13` in "…: libcublas.so.13: cannot open shared object file: No such file…". */
function missingLibrary(error: unknown): string | null {
  const message = error instanceof Error ? error.message : '';
  return message.match(/([^\s/:]+\.so[.\d]*): cannot open shared object file/)?.[1] ?? null;
}

/** site-packages/nvidia/<package>/lib/<name>, beside site-packages/torch. */
function findInNvidiaPackages(torchRoot: string, name: string): string | null {
  const nvidia = join(dirname(torchRoot), 'nvidia');
  if (!existsSync(nvidia)) return null;
  const files = readdirSync(nvidia).map((folder) => join(nvidia, folder, 'lib', name));
  return files.find((file) => existsSync(file)) ?? null;
}
