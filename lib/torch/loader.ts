import { createRequire } from 'node:module';
import { EnvironmentSetupError, reasonOf } from '../errors.js';
import { SUPPORTED_PLATFORM } from './cores.js';

/** What the NVIDIA driver says, asked without torch. */
export interface CudaDriver {
  /** libcuda.so.1 could be opened. */
  present: boolean;
  /** The newest CUDA version that the driver serves, as 1000 * major + 10 * minor; 0 unknown. */
  version: number;
  /** How many GPUs this process may use; CUDA_VISIBLE_DEVICES counts. */
  devices: number;
  /** Why there is none, in the driver's or the dynamic linker's words; empty when all is well. */
  error: string;
}

/** The exports of native/loader/loader.cc. */
export interface Loader {
  /** Opens shared libraries by absolute path, in this order, for the life of the process. */
  preload(paths: readonly string[]): void;
  /** The version of the libtorch in the process: major in the highest byte, then minor; or null. */
  torchAbiVersion(): bigint | null;
  cudaDriver(): CudaDriver;
  glibcVersion(): string;
}

/** Refuses, in words, a platform that the native code does not exist for. */
export function checkPlatform(): void {
  const platform = `${process.platform}-${process.arch}`;
  if (platform !== SUPPORTED_PLATFORM) {
    throw new EnvironmentSetupError(
      'ERR_DSRL_PLATFORM',
      `the native code of dsrl-native runs on ${SUPPORTED_PLATFORM}, and this is ${platform}`,
      { hint: `run it on a ${SUPPORTED_PLATFORM} machine with glibc` },
    );
  }
}

/** Opens the loader addon, which needs nothing but Node and glibc. */
export function openLoader(packageRoot: string): Loader {
  checkPlatform();
  const require = createRequire(import.meta.url);
  try {
    const nodeGypBuild = require('node-gyp-build') as (folder: string) => Loader;
    return nodeGypBuild(packageRoot);
  } catch (cause) {
    throw new EnvironmentSetupError(
      'ERR_DSRL_LOADER',
      `the loader addon of dsrl-native cannot be opened: ${firstLine(cause)}`,
      { hint: 'in a checkout run: npm run setup; an installed package: reinstall it', cause },
    );
  }
}

/** The first line of what an error says: node-gyp-build and dlopen go on with paths and tags. */
export function firstLine(error: unknown): string {
  const message = reasonOf(error);
  return message.split('\n')[0] ?? message;
}
