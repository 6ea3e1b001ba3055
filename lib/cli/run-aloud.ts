import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { EnvironmentSetupError } from '../errors.js';

const TAIL = 15;
/** What of a long program's output tells how far it is. */
const TELLING =
  /^\s*(Downloading|Installing collected|Successfully|Get:\d|Setting up|\[\s*\d+(\/\d+|%)\])/;

/**
 * Runs a program of the system, and passes on the lines that show how far it is.
 *
 * @throws EnvironmentSetupError ERR_DSRL_SETUP_FAILED with its last lines
 */
export async function runAloud(run: {
  what: string;
  program: string;
  words: readonly string[];
  hint: string;
  env?: Record<string, string>;
  say: (text: string) => void;
  signal: AbortSignal;
}): Promise<void> {
  const child = spawn(run.program, run.words, {
    env: { ...process.env, ...run.env },
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: run.signal,
  });
  const tail: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface(stream).on('line', (line) => {
      tail.push(line);
      if (tail.length > TAIL) tail.shift();
      if (TELLING.test(line)) run.say(line.trim().slice(0, 90));
    });
  }
  const status = await new Promise<number | string | null>((ended) => {
    child.on('error', (error) => ended(error.message));
    child.on('close', (code, signal) => ended(code ?? signal));
  });
  run.signal.throwIfAborted();
  if (status === 0) return;
  const lines = tail.length === 0 ? '' : `:\n${tail.join('\n')}`;
  const message = `${run.what} failed (${run.program}: ${status})${lines}`;
  throw new EnvironmentSetupError('ERR_DSRL_SETUP_FAILED', message, { hint: run.hint });
}
