import { homedir } from 'node:os';
import { join, resolve } from 'node:path';

/**
 * The folder of everything that `dsrl-native libero setup` makes: `venv/`, the private Python
 * environment with the original, and `bundle/`. DSRL_LIBERO names another.
 */
export function liberoHome(
  env: Readonly<Record<string, string | undefined>> = process.env,
): string {
  if (env.DSRL_LIBERO) return resolve(env.DSRL_LIBERO);
  const cache = env.XDG_CACHE_HOME || join(env.HOME || homedir(), '.cache');
  return join(cache, 'dsrl-native', 'libero');
}
