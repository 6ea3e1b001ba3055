import { spawn } from 'node:child_process';
import { ended, root } from './setup/steps.mjs';

/**
 * Runs a program to its end, in the checkout; resolves to the JSON of the last line it prints. A
 * signal ends this process too, when the program has ended: what comes after it was not meant.
 */
export async function lastLine(name, command, args, env = {}) {
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text;
  });
  const { code, stopped } = await ended(child);
  if (stopped) process.exit(code || 130);
  if (code !== 0) throw new Error(`${name} ended with ${code}`);
  return JSON.parse(output.trimEnd().split('\n').at(-1));
}
