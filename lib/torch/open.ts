import { createRequire } from 'node:module';
import { EnvironmentSetupError, RuntimeFailure } from '../errors.js';
import { firstLine, type Loader } from './loader.js';
import { CPU_LIBRARIES, preloadTorch } from './preload.js';
import type { TorchInfo } from './resolve.js';

/** The core addon says which torch it was compiled against; the rest is the layer above's. */
export interface CoreModule {
  readonly torchVersion: string;
  /** Opens kernels for a GPU of this process; throws what is wrong with them, in words. */
  openCudaPlugin(file: string, device: string): void;
}

/** Opens the CPU part of a torch. */
export function openTorch(loader: Loader, torch: TorchInfo): void {
  try {
    preloadTorch(loader, torch, CPU_LIBRARIES);
  } catch (cause) {
    throw new EnvironmentSetupError(
      'ERR_DSRL_TORCH_LOAD',
      `torch ${torch.version} at ${torch.root} cannot be opened: ${firstLine(cause)}`,
      { hint: 'reinstall that torch, or name another with DSRL_TORCH_HOME', cause },
    );
  }
}

/** What the library itself says counts, not what the text beside it says. */
export function checkAbi(loader: Pick<Loader, 'torchAbiVersion'>, torch: TorchInfo): void {
  const version = loader.torchAbiVersion();
  const minor = version === null ? 'unknown' : `${version >> 56n}.${(version >> 48n) & 0xffn}`;
  if (minor === torch.minor) return;
  throw new EnvironmentSetupError(
    'ERR_DSRL_TORCH_ABI',
    `the libtorch at ${torch.root} is version ${minor}, although it calls itself ${torch.version}`,
    { hint: 'reinstall that torch, or name another with DSRL_TORCH_HOME' },
  );
}

/** Opens a core; its torch has been opened and checked before. */
export function openCore(file: string, torch: TorchInfo): CoreModule {
  let core: CoreModule;
  try {
    core = createRequire(import.meta.url)(file) as CoreModule;
  } catch (cause) {
    throw new RuntimeFailure('ERR_DSRL_CORE', `${file} cannot be opened: ${firstLine(cause)}`, {
      hint: 'in a checkout run: npm run setup; an installed package: reinstall it',
      cause,
    });
  }
  if (core.torchVersion.startsWith(`${torch.minor}.`)) return core;
  throw new EnvironmentSetupError(
    'ERR_DSRL_TORCH_ABI',
    `${file} was built for torch ${core.torchVersion}, and torch ${torch.version} is loaded`,
    { hint: 'in a checkout run: npm run build:native; an installed package: reinstall it' },
  );
}
