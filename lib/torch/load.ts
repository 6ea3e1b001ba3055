import { resolve } from 'node:path';
import { UsageError } from '../errors.js';
import { type Core, findCores } from './cores.js';
import { openCudaPlugin } from './cuda-plugin.js';
import {
  chooseDevice,
  cudaUnavailable,
  type Device,
  type DeviceRequest,
  parseDevice,
} from './device.js';
import { checkPlatform, firstLine, type Loader, openLoader } from './loader.js';
import { isCheckout, torchNotFound } from './not-found.js';
import { type CoreModule, checkAbi, openCore, openTorch } from './open.js';
import { describePlatform, packageVersion } from './platform.js';
import { CUDA_LIBRARIES, preloadTorch } from './preload.js';
import { type FoundTorch, resolveTorch, type TorchInfo } from './resolve.js';
import { currentSurroundings, type Surroundings } from './surroundings.js';
import { trialError, tryTorch, type Verdict } from './trial.js';

export interface LoadRequest {
  /** `auto` (the default) takes the first GPU where torch and the machine have one. */
  device?: DeviceRequest;
  /** The folder of the torch to use, and no other; as DSRL_TORCH_HOME does from outside. */
  torchHome?: string;
}

export interface NativeRuntime<Core extends CoreModule> {
  core: Core;
  device: Device;
  torch: FoundTorch;
}

/**
 * The runtime of this process. It is no setting: a libtorch cannot be unloaded, nor can CUDA be
 * added once torch has been called without it, so the first call decides and later ones must agree.
 */
let loaded: NativeRuntime<CoreModule> | null = null;

/**
 * Finds torch, opens it, checks that it is the one the core was built for, and opens the core.
 * In this order, since a core on another torch calls the wrong virtual functions without a word.
 *
 * @throws TorchNotFoundError no torch, or none with a core; EnvironmentSetupError it cannot be
 *   opened, or `device` is a GPU that cannot be used; UsageError a second call that disagrees.
 */
export function loadNative<Core extends CoreModule>(
  request: LoadRequest = {},
  around: Surroundings = currentSurroundings(),
): NativeRuntime<Core> {
  const device = parseDevice(request.device ?? 'auto');
  if (loaded !== null) {
    return agree(loaded, device, request.torchHome, around) as NativeRuntime<Core>;
  }
  loaded = load(device, request.torchHome, around);
  return loaded as NativeRuntime<Core>;
}

function load(
  request: DeviceRequest,
  torchHome: string | undefined,
  around: Surroundings,
): NativeRuntime<CoreModule> {
  checkPlatform(around);
  const { torch, coreFile } = findTorchWithCore(torchHome, around);
  const loader = openLoader(around);
  const choice = chooseDevice(request, torch, () => loader.cudaDriver());
  openTorch(loader, torch);
  const device = choice.device === 'cpu' ? 'cpu' : openCuda(loader, torch, choice.device, request);
  if (choice.warning !== undefined) warnOfFallback(choice.warning);
  checkAbi(loader, torch);
  const core = openCore(coreFile, torch);
  openCudaPlugin(core, coreFile, torch, device);
  return { core, device, torch };
}

function warnOfFallback(reason: string): void {
  process.emitWarning(`computing on the CPU: ${reason}`, { code: 'DSRL_CPU_FALLBACK' });
}

/**
 * The first torch that there is a core for and that opens with it, and that core.
 *
 * @throws TorchNotFoundError; for a torch that was named and does not open, what is wrong with it
 */
export function findTorchWithCore(
  torchHome: string | undefined,
  around: Surroundings,
): { torch: FoundTorch; coreFile: string } {
  const cores = findCores(around);
  const judge = torchJudge(cores, around);
  const { torch, attempts } = resolveTorch({ torchHome, refuse: judge.refuse }, around);
  const core = torch && cores.find(({ minor }) => minor === torch.minor);
  if (torch && core) return { torch, coreFile: core.file };
  const wasNamed = torchHome !== undefined || Boolean(around.env.DSRL_TORCH_HOME);
  if (wasNamed && judge.failure !== null) throw trialError(judge.failure);
  throw torchNotFound({
    attempts,
    minors: cores.map(({ minor }) => minor),
    packageVersion: packageVersion(around.packageRoot),
    platform: describePlatform(),
    nodeVersion: process.versions.node,
    isCheckout: isCheckout(around.packageRoot),
  });
}

/** Refuses, in words, a torch without a core and one that does not open with its core. */
export function torchJudge(cores: readonly Core[], around: Surroundings) {
  const judge = {
    failure: null as Verdict['failure'],
    refuse(torch: TorchInfo): string | null {
      const core = cores.find(({ minor }) => minor === torch.minor);
      if (core === undefined) return `no core for ${torch.minor}`;
      judge.failure = tryTorch(torch, core, around).failure;
      return judge.failure?.message ?? null;
    },
  };
  return judge;
}

/** Opens the CUDA part of torch; where that fails only `auto` goes on, on the CPU. */
function openCuda(
  loader: Loader,
  torch: FoundTorch,
  device: Device,
  request: DeviceRequest,
): Device {
  try {
    preloadTorch(loader, torch, CUDA_LIBRARIES);
    return device;
  } catch (cause) {
    const reason = `the CUDA part of torch ${torch.version} cannot be opened: ${firstLine(cause)}`;
    if (request !== 'auto') throw cudaUnavailable(reason, torch, cause);
    warnOfFallback(reason);
    return 'cpu';
  }
}

/** A later call: the same torch, and a device that the first call has made possible. */
function agree(
  first: NativeRuntime<CoreModule>,
  request: DeviceRequest,
  torchHome: string | undefined,
  around: Surroundings,
): NativeRuntime<CoreModule> {
  if (torchHome !== undefined && resolve(torchHome) !== first.torch.root) {
    throw new UsageError(
      'ERR_DSRL_TORCH_LOADED',
      `this process has loaded the torch at ${first.torch.root} and can load no other`,
      { hint: `start another process for ${torchHome}` },
    );
  }
  if (request === 'auto' || request === first.device) return first;
  if (request === 'cpu') return { ...first, device: 'cpu' };
  const loader = openLoader(around);
  const { device } = chooseDevice(request, first.torch, () => loader.cudaDriver());
  if (first.device !== 'cpu') return { ...first, device };
  throw new UsageError(
    'ERR_DSRL_TORCH_LOADED',
    'this process has loaded torch for the CPU, and CUDA cannot be added to it',
    { hint: `ask for ${request} in the first call of the process` },
  );
}
