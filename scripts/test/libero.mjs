// What the tests of LIBERO need: the bundle in the user's cache, made by the command that users
// type.

import { spawnSync } from 'node:child_process';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { root, SetupError } from '../setup/steps.mjs';

/** Makes the bundle, once; returns the Python that has the original. */
export async function provideLibero() {
  const words = [join(root, 'bin', 'dsrl-native.js'), 'libero', 'setup'];
  const { status } = spawnSync(process.execPath, words, { stdio: ['ignore', 'ignore', 'inherit'] });
  if (status !== 0) throw new SetupError('LIBERO is not set up', 'see above');
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
  const home = process.env.DSRL_LIBERO || join(cache, 'dsrl-native', 'libero');
  return join(home, 'venv', 'bin', 'python');
}
