// What is typed behind a quickstart, looked at before a build of minutes.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { root } from './steps.mjs';

/**
 * Are these words of `dsrl-native quickstart` good, and is something to be run? Says what is wrong
 * with them, or the help that they ask for, and sets the exit code. Needs dist/ alone.
 */
export function wordsAreGood(words) {
  const program = join(root, 'bin', 'dsrl-native.js');
  // In front: behind a bare `--`, which some package managers pass on, it would be no option.
  const command = [program, 'quickstart', '--check', ...words];
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' });
  const isTheEnd = stdout !== '' || words.includes('--check');
  if (status === 0 && !isTheEnd) return true; // its notes are told by the run itself
  process.stdout.write(stdout);
  process.stderr.write(stderr);
  process.exitCode = status ?? 1;
  return false;
}
