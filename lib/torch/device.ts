import { EnvironmentSetupError, UsageError } from '../errors.js';
import type { TorchInfo } from './inspect.js';
import type { CudaDriver } from './loader.js';

export type Device = 'cpu' | 'cuda' | `cuda:${number}`;
export type DeviceRequest = 'auto' | Device;

/** `auto`, `cpu`, `cuda` or `cuda:N`; anything else is a usage error. */
export function parseDevice(text: string): DeviceRequest {
  if (/^(auto|cpu|cuda|cuda:\d{1,3})$/.test(text)) return text as DeviceRequest;
  throw new UsageError('ERR_DSRL_DEVICE', `'${text}' is not a device`, {
    hint: 'give one of auto, cpu, cuda, cuda:N (for instance cuda:0)',
  });
}

/** CUDA 13.0 for 13000. */
export function formatCudaVersion(version: number): string {
  return `${Math.floor(version / 1000)}.${Math.floor((version % 1000) / 10)}`;
}

/**
 * Why this torch cannot use CUDA on this machine, in words; null when it can.
 * A driver serves every CUDA version of its own major version and the older ones.
 */
export function whyNoCuda(
  torch: Pick<TorchInfo, 'version' | 'cuda'>,
  driver: CudaDriver,
): string | null {
  if (torch.cuda === null) {
    return `torch ${torch.version} has no libtorch_cuda.so, as a CPU build has none`;
  }
  if (!driver.present) return 'there is no NVIDIA driver on this machine (no libcuda.so.1)';
  const served = formatCudaVersion(driver.version);
  if (Number.parseInt(served, 10) < Number.parseInt(torch.cuda, 10)) {
    const needed = `torch ${torch.version} needs ${torch.cuda}`;
    return `the NVIDIA driver serves CUDA ${served}, and ${needed}`;
  }
  if (driver.devices > 0) return null;
  return `the NVIDIA driver finds no GPU${driver.error === '' ? '' : `: ${driver.error}`}`;
}

/**
 * The device to compute on, decided before the first call into torch: such a call would fix for the
 * whole process whether CUDA exists. `warning` is for `auto` on a CUDA build that cannot use it.
 */
export function chooseDevice(
  request: DeviceRequest,
  torch: Pick<TorchInfo, 'version' | 'cuda'>,
  askDriver: () => CudaDriver,
): { device: Device; warning?: string } {
  // The driver is not asked in vain: its answer starts it, which takes time and memory of the GPU.
  if (request === 'cpu' || (request === 'auto' && torch.cuda === null)) return { device: 'cpu' };
  const driver = askDriver();
  const reason = whyNoCuda(torch, driver);
  if (request === 'auto') {
    if (reason === null) return { device: 'cuda:0' };
    return { device: 'cpu', warning: reason };
  }
  const index = request === 'cuda' ? 0 : Number(request.slice('cuda:'.length));
  if (reason === null && index < driver.devices) return { device: `cuda:${index}` };
  const why = reason ?? `there are ${driver.devices} GPUs, 0 is the first`;
  throw cudaUnavailable(`device ${request} cannot be used: ${why}`, torch);
}

export function cudaUnavailable(
  message: string,
  torch: Pick<TorchInfo, 'cuda'>,
  cause?: unknown,
): EnvironmentSetupError {
  const hint =
    torch.cuda === null
      ? 'install a CUDA build of torch, or use --device cpu'
      : 'see what nvidia-smi says, or use --device cpu';
  return new EnvironmentSetupError('ERR_DSRL_CUDA_UNAVAILABLE', message, { hint, cause });
}
