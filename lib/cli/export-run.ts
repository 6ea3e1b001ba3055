import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { ConfigError, EnvironmentSetupError, PolicyError, RuntimeFailure } from '../errors.js';
import { findTorchPython } from '../torch/python.js';
import { packageRoot } from '../torch/surroundings.js';
import { STOPPING, stoppable } from './signals.js';

/** What python/pi0/export.py prints last on stderr when it fails in a way that can be mended. */
interface Failure {
  code: string;
  message: string;
  hint: string;
}

/**
 * Runs python/pi0/export.py; its progress goes to stderr.
 *
 * @param words its options
 * @param python the Python that was named
 * @returns the folder that it wrote
 * @throws PolicyError, ConfigError or EnvironmentSetupError that it states
 */
export async function exportAloud(words: string[], python: string | undefined): Promise<string> {
  const program = findTorchPython(python);
  const { result, stopped } = await stoppable(
    (signal) => runExporter(program, words, signal),
    STOPPING,
    () => 'nothing was written: type the same command again',
  );
  if (stopped !== null) throw stopped;
  return result.policy;
}

async function runExporter(
  program: string,
  words: string[],
  signal: AbortSignal,
): Promise<{ policy: string }> {
  const folder = join(packageRoot(), 'python');
  const paths = [folder, process.env.PYTHONPATH].filter(Boolean).join(':');
  const child = spawn(program, ['-m', 'pi0.export', ...words], {
    cwd: folder,
    env: { ...process.env, PYTHONPATH: paths, PYTHONUNBUFFERED: '1' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  // A signal lets Python remove what it has written so far.
  const stop = () => child.kill('SIGTERM');
  signal.addEventListener('abort', stop);
  const printed: string[] = [];
  const said: string[] = [];
  let failure: Failure | null = null;
  createInterface(child.stdout).on('line', (line) => printed.push(line));
  createInterface(child.stderr).on('line', (line) => {
    failure = parseFailure(line) ?? failure;
    if (parseFailure(line) !== null) return;
    said.push(line);
    process.stderr.write(`${line}\n`);
  });
  const status = await new Promise<number | null>((ended, failed) => {
    child.on('error', failed);
    child.on('close', ended);
  });
  signal.removeEventListener('abort', stop);
  signal.throwIfAborted();
  if (failure !== null) throw toError(failure);
  const last = printed.at(-1);
  if (status === 0 && last !== undefined) return JSON.parse(last) as { policy: string };
  throw new RuntimeFailure(
    'ERR_DSRL_EXPORT_FAILED',
    `the exporter ended with ${status ?? 'a signal'}: ${said.at(-1) ?? 'it said nothing'}`,
    { hint: `Python is ${program}; a signal without words may be a lack of memory` },
  );
}

function parseFailure(line: string): Failure | null {
  if (!line.startsWith('{"code"')) return null;
  return JSON.parse(line) as Failure;
}

function toError({ code, message, hint }: Failure): Error {
  if (code.startsWith('ERR_DSRL_POLICY_')) {
    return new PolicyError(code as `ERR_DSRL_POLICY_${string}`, message, { hint });
  }
  if (code.startsWith('ERR_DSRL_CONFIG_')) {
    return new ConfigError(code as `ERR_DSRL_CONFIG_${string}`, message, { hint });
  }
  return new EnvironmentSetupError(code as `ERR_DSRL_${string}`, message, { hint });
}
