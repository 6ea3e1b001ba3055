import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Device } from './device.js';
import type { TorchInfo } from './inspect.js';
import { firstLine } from './loader.js';
import type { CoreModule } from './open.js';

/** Where the kernels for a CUDA build of torch lie; null for a CPU build. */
export function cudaPluginFile(coreFile: string, { cuda }: Pick<TorchInfo, 'cuda'>): string | null {
  const version = cuda?.match(/^(\d+)\.(\d+)/);
  if (!version) return null;
  return join(dirname(coreFile), `cu${version[1]}${version[2]}`, 'libdsrl_cuda.so');
}

/**
 * Opens the kernels beside a core that computes on a GPU. Where there are none torch's own
 * operators compute the same, more slowly, and nothing is said: `dsrl-native build` makes none, and
 * `doctor` shows it. Kernels that are there and do not open are a damaged package, and worth a
 * warning.
 */
export function openCudaPlugin(
  core: Pick<CoreModule, 'openCudaPlugin'>,
  coreFile: string,
  torch: Pick<TorchInfo, 'cuda'>,
  device: Device,
): void {
  const file = cudaPluginFile(coreFile, torch);
  if (device === 'cpu' || file === null || !existsSync(file)) return;
  try {
    core.openCudaPlugin(file, device);
  } catch (error) {
    const message = `torch's own operators compute, without our kernels: ${firstLine(error)}`;
    process.emitWarning(message, { code: 'DSRL_CUDA_PLUGIN' });
  }
}
