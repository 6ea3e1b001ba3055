import { statfsSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What the search for torch may look at. Tests give their own; nothing else is read. */
export interface Surroundings {
  env: Readonly<Record<string, string | undefined>>;
  home: string;
  /** The folder of this package: a checkout, or an installed copy. */
  packageRoot: string;
  /** Where the system keeps shared libraries. */
  systemLibraryDirs: readonly string[];
  /** What is left on the disk of a folder that is there, bytes. */
  freeBytes: (folder: string) => number;
}

/** lib/torch/ in a checkout and dist/torch/ when compiled: the package is two folders up. */
export function packageRoot(): string {
  return join(dirname(fileURLToPath(import.meta.url)), '..', '..');
}

/** A container may run as a user that the system has no record of: then nothing is a home. */
function homeFolder(): string {
  try {
    return homedir();
  } catch {
    return tmpdir();
  }
}

export function currentSurroundings(): Surroundings {
  return {
    env: process.env,
    home: homeFolder(),
    packageRoot: packageRoot(),
    systemLibraryDirs: ['/usr/lib/x86_64-linux-gnu', '/usr/lib64', '/usr/lib'],
    freeBytes: (folder) => {
      const { bavail, bsize } = statfsSync(folder);
      return bavail * bsize;
    },
  };
}
