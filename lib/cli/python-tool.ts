import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import {
  ConfigError,
  type DsrlError,
  EnvironmentSetupError,
  PolicyError,
  RuntimeFailure,
} from '../errors.js';

export interface PythonTool {
  /** What it is called in an error: `the exporter`. */
  name: string;
  /** The code of an error that it does not state itself. */
  code: `ERR_DSRL_${string}`;
  program: string;
  words: readonly string[];
  folder: string;
  env?: Record<string, string>;
  signal: AbortSignal;
  /** Receives what it says on stderr, line by line, without the statement of its failure. */
  say?: (line: string) => void;
}

/** What a tool prints last on stderr when it fails in a way that can be mended. */
interface Failure {
  code: string;
  message: string;
  hint: string;
}

/**
 * Runs one of python/'s tools to its end. At the signal it is asked to stop, so that it can remove
 * what it has written so far.
 *
 * @returns the last line of its stdout, as JSON
 * @throws PolicyError, ConfigError or EnvironmentSetupError that it states; else RuntimeFailure
 */
export async function runPythonTool(tool: PythonTool): Promise<unknown> {
  const child = spawn(tool.program, tool.words, {
    cwd: tool.folder,
    env: { ...process.env, PYTHONUNBUFFERED: '1', ...tool.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const stop = () => child.kill('SIGTERM');
  tool.signal.addEventListener('abort', stop);
  let printed: string | undefined;
  let said: string | undefined;
  let failure: Failure | null = null;
  createInterface(child.stdout).on('line', (line) => {
    printed = line;
  });
  createInterface(child.stderr).on('line', (line) => {
    const stated = parseFailure(line);
    failure = stated ?? failure;
    if (stated !== null) return;
    said = line;
    tool.say?.(line);
  });
  const status = await new Promise<number | null>((ended, failed) => {
    child.on('error', failed);
    child.on('close', ended);
  }).finally(() => tool.signal.removeEventListener('abort', stop));
  tool.signal.throwIfAborted();
  if (failure !== null) throw toError(failure);
  if (status === 0) return printed === undefined ? null : JSON.parse(printed);
  throw new RuntimeFailure(
    tool.code,
    `${tool.name} ended with ${status ?? 'a signal'}: ${said ?? 'it said nothing'}`,
    { hint: `Python is ${tool.program}; a signal without words may be a lack of memory` },
  );
}

function parseFailure(line: string): Failure | null {
  return line.startsWith('{"code"') ? (JSON.parse(line) as Failure) : null;
}

function toError({ code, message, hint }: Failure): DsrlError {
  if (code.startsWith('ERR_DSRL_POLICY_')) {
    return new PolicyError(code as `ERR_DSRL_POLICY_${string}`, message, { hint });
  }
  if (code.startsWith('ERR_DSRL_CONFIG_')) {
    return new ConfigError(code as `ERR_DSRL_CONFIG_${string}`, message, { hint });
  }
  return new EnvironmentSetupError(code as `ERR_DSRL_${string}`, message, { hint });
}
