import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { EnvironmentSetupError, reasonOf } from '../errors.js';
import { builtFolder } from './cache.js';
import { SUPPORTED_PLATFORM } from './cores.js';
import { glibcVersion } from './platform.js';
import type { Surroundings } from './surroundings.js';

type Places = Pick<Surroundings, 'env' | 'home' | 'packageRoot'>;

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

/**
 * Refuses, in words, a platform that there are no binaries for: neither shipped ones nor those that
 * `dsrl-native build` has compiled. What needs no native code runs everywhere.
 */
export function checkPlatform(around: Places): void {
  const platform = `${process.platform}-${process.arch}`;
  const why = whyNotHere(platform, around);
  if (why === null) return;
  const [reason, ...advice] = why;
  throw new EnvironmentSetupError(
    'ERR_DSRL_PLATFORM',
    `the native code of dsrl-native runs on ${SUPPORTED_PLATFORM} with glibc, and this is ${reason}`,
    { hint: [...advice, ELSEWHERE].join('\n') },
  );
}

const ELSEWHERE =
  'or let a policy run on such a machine (`dsrl-native serve`) and ask it from here: ' +
  'RemotePolicy.connect(url), like configurations and logs, needs no native code';

/** What this machine is, and what to type; null where binaries are there. */
function whyNotHere(platform: string, around: Places): [string, ...string[]] | null {
  if (process.platform !== 'linux') {
    return [platform, `run it in a container or a virtual machine with ${SUPPORTED_PLATFORM}`];
  }
  if (glibcVersion() === null) {
    return [`${platform} with another C library`, 'use an image with glibc, for instance Debian'];
  }
  if (platform === SUPPORTED_PLATFORM || existsSync(builtLoader(around))) return null;
  return [platform, 'compile it here: dsrl-native build --torch-home <the folder of a torch>'];
}

function builtLoader(around: Places): string {
  return join(builtFolder(around), 'Release', 'dsrl-native.node');
}

/** Opens the loader addon, which needs nothing but Node and glibc. */
export function openLoader(around: Places): Loader {
  checkPlatform(around);
  const require = createRequire(import.meta.url);
  try {
    const own = builtLoader(around);
    const isShipped = `${process.platform}-${process.arch}` === SUPPORTED_PLATFORM;
    if (!isShipped && existsSync(own)) return require(own) as Loader;
    const nodeGypBuild = require('node-gyp-build') as (folder: string) => Loader;
    return nodeGypBuild(around.packageRoot);
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
