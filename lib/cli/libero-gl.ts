import { delimiter } from 'node:path';
import { EnvironmentSetupError } from '../errors.js';
import type { Surroundings } from '../torch/surroundings.js';
import { findFile } from './find-file.js';
import { runAloud } from './run-aloud.js';

const OSMESA = ['libOSMesa.so.8', 'libOSMesa.so.6', 'libOSMesa.so'];
const EGL = ['libEGL.so.1', 'libEGL.so'];
const TYPE = 'apt-get install libosmesa6';

/**
 * A library that draws without a window: OSMesa, or EGL. Root on a Debian installs OSMesa where
 * it is missing; elsewhere EGL is enough.
 *
 * @throws EnvironmentSetupError ERR_DSRL_LIBERO_GL if there is neither
 */
export async function provideGl(
  say: (text: string) => void,
  signal: AbortSignal,
  around: Surroundings,
  { root = process.getuid?.() === 0 } = {},
): Promise<void> {
  const osmesa = findLibrary(OSMESA, around);
  if (osmesa !== null) return say(osmesa);
  const apt = findFile(['apt-get'], (around.env.PATH ?? '').split(delimiter));
  if (root && apt !== null) return installOsmesa(apt, say, signal);
  const egl = findLibrary(EGL, around);
  if (egl !== null) return say(`${egl} (no OSMesa: without a GPU \`sudo ${TYPE}\` is safer)`);
  throw new EnvironmentSetupError(
    'ERR_DSRL_LIBERO_GL',
    'neither libOSMesa nor libEGL is on this machine: nothing can draw without a window',
    { hint: `type: sudo ${TYPE}\n(or your system's package of OSMesa), then start again` },
  );
}

async function installOsmesa(
  apt: string,
  say: (text: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const hint = `type: apt-get update && ${TYPE}\nthen start again`;
  const shared = { program: apt, env, hint, say, signal };
  const update = { what: 'looking for packages', words: ['update', '-q'] };
  await runAloud({ ...shared, ...update });
  const words = ['install', '-y', '-q', '--no-install-recommends', 'libosmesa6'];
  await runAloud({ ...shared, what: 'installing OSMesa', words });
}

function findLibrary(names: string[], { env, systemLibraryDirs }: Surroundings): string | null {
  const named = (env.LD_LIBRARY_PATH ?? '').split(delimiter).filter(Boolean);
  return findFile(names, [...named, ...systemLibraryDirs]);
}
