import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

/** A core addon: C++ compiled against one minor version of torch, and fit for no other. */
export interface Core {
  minor: string;
  file: string;
}

/** The platform's folder in prebuilds/; the native code exists for this one. */
export const SUPPORTED_PLATFORM = 'linux-x64';

/** The cores of this package by rising version; one built here goes before a shipped one. */
export function findCores(packageRoot: string): Core[] {
  const byMinor = new Map<string, Core>();
  for (const folder of ['build', join('prebuilds', SUPPORTED_PLATFORM)]) {
    for (const core of coresIn(join(packageRoot, folder))) {
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
