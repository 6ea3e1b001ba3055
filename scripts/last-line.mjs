import { spawn } from 'node:child_process';
import { root } from './setup/steps.mjs';

/** Runs a program to its end, in the checkout; resolves to the JSON of the last line it prints. */
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
  const status = await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? signal));
  });
  if (status !== 0) throw new Error(`${name} ended with ${status}`);
  return JSON.parse(output.trimEnd().split('\n').at(-1));
}
