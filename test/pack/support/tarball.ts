import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll } from 'vitest';

export const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

/** A folder of its own for one test file, gone when the file's tests are done. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'dsrl-pack-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * Prebuilds for these torches (none: for the set-up's, whose core is compiled), then `npm pack`:
 * the package as it is published.
 */
export function packTarball(
  folder: string,
  torchHomes: readonly string[] = [],
): { file: string; entries: PackedFile[] } {
  const script = join('scripts', 'prebuild.mjs');
  const homes = torchHomes.flatMap((home) => ['--torch-home', home]);
  execFileSync(process.execPath, [script, ...homes], { cwd: root, stdio: 'pipe' });
  const { filename, files } = npmPack('--pack-destination', folder);
  return { file: join(folder, filename), entries: files };
}

/** What `npm pack` would take of the checkout as it is, prebuilds or none. */
export function packedPaths(): string[] {
  return npmPack('--dry-run').files.map(({ path }) => path);
}

function npmPack(...words: string[]): { filename: string; files: PackedFile[] } {
  const [packed] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--ignore-scripts', ...words], {
      cwd: root,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }),
  ) as { filename: string; files: PackedFile[] }[];
  if (packed === undefined) throw new Error('npm pack said nothing');
  return packed;
}

export interface PackedFile {
  path: string;
  size: number;
}

/** The torch that the checkout was built against: what a user's machine has. */
export function torchHome(): string {
  return JSON.parse(readFileSync(join(root, 'build', 'torch.json'), 'utf8')).root;
}

/** A folder with Node, npm and a shell and nothing else: no compiler, make, CMake or Python. */
export function poorPath(folder: string): string {
  const programs = ['node', 'npm', 'npx', 'sh'];
  const places = (process.env.PATH ?? '').split(delimiter);
  for (const program of programs) {
    const place = places.find((candidate) => existsSync(join(candidate, program)));
    if (place === undefined) throw new Error(`${program} is not on the PATH`);
    // A link keeps npm beside its own library: it finds that by its real path.
    symlinkSync(join(place, program), join(folder, program));
  }
  return folder;
}
