import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readLiberoBundle } from '../../lib/native/libero-bundle.js';

/**
 * Why tests of LIBERO cannot run here, in one line; null: they can. They need the bundle that
 * `dsrl-native libero setup` makes (DSRL_LIBERO says where) and the plugin for its MuJoCo.
 */
export function whyNoLibero(): string | null {
  try {
    const { mujoco } = readLiberoBundle().json;
    const name = `build/libero/dsrl_libero_mujoco${mujoco}.so`;
    const plugin = fileURLToPath(new URL(`../../${name}`, import.meta.url));
    return existsSync(plugin) ? null : `no ${name}: node scripts/build-native.mjs --libero`;
  } catch (error) {
    return (error as Error).message.split('\n')[0] ?? 'no bundle';
  }
}
