import { describe, expect, test } from 'vitest';
import { EnvironmentSetupError, UsageError } from '../../lib/errors.js';
import { chooseDevice, type DeviceRequest, parseDevice } from '../../lib/torch/device.js';
import type { CudaDriver } from '../../lib/torch/loader.js';

const cpuBuild = { version: '2.13.0+cpu', cuda: null };
const cudaBuild = { version: '2.14.1+cu130', cuda: '13.0' };
const noDriver: CudaDriver = { present: false, version: 0, devices: 0, error: 'no libcuda.so.1' };
const twoGpus: CudaDriver = { present: true, version: 13010, devices: 2, error: '' };
const oldDriver: CudaDriver = { ...twoGpus, version: 12080 };
const noGpu: CudaDriver = { ...twoGpus, devices: 0, error: 'the driver answers CUDA error 100' };

function choose(
  request: DeviceRequest,
  torch: typeof cudaBuild | typeof cpuBuild,
  gpu: CudaDriver,
) {
  return chooseDevice(request, torch, () => gpu);
}

describe('the device, decided before torch is called', () => {
  test.each([
    ['auto', cudaBuild, twoGpus, 'cuda:0'],
    ['cuda', cudaBuild, twoGpus, 'cuda:0'],
    ['cuda:1', cudaBuild, twoGpus, 'cuda:1'],
    ['cpu', cudaBuild, twoGpus, 'cpu'],
    ['auto', cpuBuild, twoGpus, 'cpu'],
  ] as const)('%s on a torch %o', (request, torch, driver, device) => {
    expect(choose(request, torch, driver)).toEqual({ device });
  });

  test.each([
    [noDriver, 'there is no NVIDIA driver on this machine (no libcuda.so.1)'],
    [oldDriver, 'the NVIDIA driver serves CUDA 12.8, and torch 2.14.1+cu130 needs 13.0'],
    [noGpu, 'the NVIDIA driver finds no GPU: the driver answers CUDA error 100'],
  ])('a CUDA build without a usable GPU: auto warns, cuda fails (%o)', (driver, reason) => {
    expect(choose('auto', cudaBuild, driver)).toEqual({ device: 'cpu', warning: reason });
    let error: unknown;
    try {
      choose('cuda', cudaBuild, driver);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(EnvironmentSetupError);
    expect(error).toMatchObject({
      code: 'ERR_DSRL_CUDA_UNAVAILABLE',
      exitCode: 3,
      message: `device cuda cannot be used: ${reason}`,
    });
  });

  test('a CPU build and a GPU that is not there are refused in words', () => {
    expect(() => choose('cuda', cpuBuild, twoGpus)).toThrow('has no libtorch_cuda.so');
    expect(() => choose('cuda:2', cudaBuild, twoGpus)).toThrow('there are 2 GPUs, 0 is the first');
  });

  test('the driver is left alone where the answer does not matter', () => {
    const untouchable = () => {
      throw new Error('the driver was started');
    };
    expect(chooseDevice('cpu', cudaBuild, untouchable)).toEqual({ device: 'cpu' });
    expect(chooseDevice('auto', cpuBuild, untouchable)).toEqual({ device: 'cpu' });
  });

  test('what is no device is a usage error', () => {
    for (const text of ['gpu', 'cuda:', 'cuda:-1', 'cuda:x', 'CUDA', '', 'cuda:1 ']) {
      expect(() => parseDevice(text)).toThrow(UsageError);
    }
    expect(parseDevice('cuda:3')).toBe('cuda:3');
  });
});
