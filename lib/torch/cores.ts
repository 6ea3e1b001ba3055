import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { builtFolder } from './cache.js';
import type { Surroundings } from './surroundings.js';

/** A core addon: C++ compiled against one minor version of torch, and fit for no other. */
export interface Core {
  minor: string;
  file: string;
}

/** The platform's folder in prebuilds/; the binaries that are shipped are for this one. */
export const SUPPORTED_PLATFORM = 'linux-x64';

/**
 * The cores by rising version. One that was built on this machine, in a checkout or by
 * `dsrl-native build`, goes before a shipped one: somebody wanted it.
 */
export function findCores(around: Pick<Surroundings, 'env' | 'home' | 'packageRoot'>): Core[] {
  const { packageRoot } = around;
  const byMinor = new Map<string, Core>();
  const platform = `${process.platform}-${process.arch}`;
  const shipped = join(packageRoot, 'prebuilds', platform);
  // node-gyp-build's own switch: what is published is to be tried, not what was built here.
  const own = around.env.PREBUILDS_ONLY ? [] : [join(packageRoot, 'build'), builtFolder(around)];
  for (const folder of [...own, shipped]) {
    for (const core of coresIn(folder)) {
      if (!byMinor.has(core.minor)) byMinor.set(core.minor, core);
    }
  }
  const byVersion = new Intl.Collator('en', { numeric: true });
  return [...byMinor.values()].sort((a, b) => byVersion.compare(a.minor, b.minor));
}

function coresIn(folder: string): Core[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder).flatMap((name) => {
    const minor = name.match(/^torch(\d+\.\d+)$/)?.[1];
    const file = join(folder, name, 'dsrl_core.node');
    return minor !== undefined && existsSync(file) ? [{ minor, file }] : [];
  });
}
