// Sets everything up, then trains the embedded default. What follows `--` goes to the command line:
//
//   npm run quickstart -- seed=3
//
// stdout carries the command's results only; the set-up speaks on stderr.

import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { join } from 'node:path';
import { main, root } from './setup/steps.mjs';
import { setup } from './setup.mjs';

await main(import.meta.url, async (args) => {
  await setup();
  const program = join(root, 'bin', 'dsrl-native.js');
  const child = spawn(process.execPath, [program, 'quickstart', ...args], { stdio: 'inherit' });
  // The terminal sends Ctrl-C to both: the command writes its checkpoint, this waits for it.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  child.on('close', (code, signal) => {
    process.exitCode = code ?? 128 + constants.signals[signal];
  });
});
