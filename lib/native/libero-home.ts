import { join, resolve } from 'node:path';
import { cacheFolder } from '../torch/cache.js';
import { currentSurroundings } from '../torch/surroundings.js';

/**
 * The folder of everything that `dsrl-native libero setup` makes: `venv/`, the private Python
 * environment with the original, and `bundle/`. DSRL_LIBERO names another.
 */
export function liberoHome(
  env: Readonly<Record<string, string | undefined>> = process.env,
): string {
  if (env.DSRL_LIBERO) return resolve(env.DSRL_LIBERO);
  const home = env.HOME || currentSurroundings().home;
  return join(cacheFolder({ env, home }), 'libero');
}
