import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..', '..');

/** The real client, and what it forgets to ask for (typing_extensions). */
const REQUIREMENTS = ['openpi-client==0.1.2', 'typing_extensions', 'numpy<2'];

/** A Python that has openpi's own client; made once, in build/. */
export function openpiPython(): string {
  const folder = join(root, 'build', 'openpi-client');
  const python = join(folder, 'bin', 'python');
  if (existsSync(python)) return python;
  // Under another name until it is whole: an interrupted run must not leave half an environment.
  const making = `${folder}.making`;
  rmSync(making, { recursive: true, force: true });
  mkdirSync(dirname(folder), { recursive: true });
  execFileSync('python3', ['-m', 'venv', making], { stdio: 'ignore' });
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...REQUIREMENTS];
  execFileSync(join(making, 'bin', 'python'), pip, { stdio: ['ignore', 'ignore', 'pipe'] });
  renameSync(making, folder);
  return python;
}

/** Runs a program of test/serve/openpi/ with openpi's client; what it prints is JSON. */
export async function runOpenpi(program: string, ...words: string[]): Promise<unknown> {
  const file = join(root, 'test', 'serve', 'openpi', program);
  const { stdout } = await promisify(execFile)(openpiPython(), [file, ...words], {
    maxBuffer: 1 << 26,
  });
  return JSON.parse(stdout);
}
