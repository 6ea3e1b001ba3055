import { isAbsolute, join } from 'node:path';
import { packageVersion } from './platform.js';
import type { Surroundings } from './surroundings.js';

type Places = Pick<Surroundings, 'env' | 'home' | 'packageRoot'>;

/**
 * What commands put on a user's machine: `~/.cache/dsrl-native`, below XDG_CACHE_HOME if it is set.
 * A relative one is ignored, as its specification says: it would be another in every folder.
 */
export function cacheFolder({ env, home }: Pick<Surroundings, 'env' | 'home'>): string {
  const { XDG_CACHE_HOME: base = '' } = env;
  return join(isAbsolute(base) ? base : join(home, '.cache'), 'dsrl-native');
}

/** Private torches, `torch/<version>`: made by `dsrl-native setup`. */
export function torchCache(around: Pick<Surroundings, 'env' | 'home'>): string {
  return join(cacheFolder(around), 'torch');
}

/**
 * Written by `dsrl-native setup` when the torch in that environment is whole; holds its version.
 */
export function completeStamp(environment: string): string {
  return join(environment, 'dsrl-torch');
}

/**
 * What `dsrl-native build` has compiled: `Release/` holds the loader, `torch<X.Y>/` a core. Each
 * version of the package has its own: a core of another one has other functions.
 */
export function builtFolder(around: Places): string {
  const platform = `${process.platform}-${process.arch}`;
  return join(cacheFolder(around), 'native', packageVersion(around.packageRoot), platform);
}
