import { type ExecFileException, execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findPython } from './python.js';

const root = fileURLToPath(new URL('../../', import.meta.url));

export interface Result {
  status: number;
  stdout: string;
  stderr: string;
}

function run(command: string, args: readonly string[], cwd: string): Promise<Result> {
  const env = { ...process.env, OMP_NUM_THREADS: '1' };
  return new Promise((resolve, reject) => {
    const options = { cwd, env, maxBuffer: 1 << 26 };
    execFile(command, args, options, (error: ExecFileException | null, stdout, stderr) => {
      const status = error ? error.code : 0;
      if (typeof status === 'number') resolve({ status, stdout, stderr });
      else reject(error); // could not be started, or was killed
    });
  });
}

/** `python -m reference.<module> ...`; what it needs beyond the standard library is torch. */
export function runReference(module: string, ...args: string[]): Promise<Result> {
  return run(findPython(), ['-m', `reference.${module}`, ...args], join(root, 'python'));
}

/** The same, for commands that have to succeed. */
export async function reference(module: string, ...args: string[]): Promise<string> {
  const { status, stdout, stderr } = await runReference(module, ...args);
  if (status !== 0)
    throw new Error(`python -m reference.${module} ended with ${status}:\n${stderr}`);
  return stdout;
}

/** `dsrl-native debug replay-updates ...` of the built package. */
export function replayUpdates(...args: string[]): Promise<Result> {
  const cli = join(root, 'bin', 'dsrl-native.js');
  return run(process.execPath, [cli, 'debug', 'replay-updates', ...args], root);
}

/** The arguments that name the inputs in a case folder, as reference.make_case writes it. */
export function inputsOf(folder: string): string[] {
  const target = join(folder, 'target.safetensors');
  return [
    ...['--agent', join(folder, 'agent.safetensors')],
    ...['--batches', join(folder, 'batches')],
    ...['--config', join(folder, 'config.json')],
    ...(existsSync(target) ? ['--target', target] : []),
  ];
}
