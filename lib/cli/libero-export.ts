import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { UsageError } from '../errors.js';
import { isFolder } from '../folder.js';
import { packageRoot } from '../torch/surroundings.js';
import { type BundleReport, checkBundle } from './libero-check.js';
import { runPythonTool } from './python-tool.js';
import { STOPPING, stoppable } from './signals.js';

/** python/libero: the tools that run inside the environment of the original. */
export function toolFolder(): string {
  return join(packageRoot(), 'python', 'libero');
}

/** `dsrl-native libero export`: from an environment that has LIBERO, named by folder or program. */
export async function exportLibero(
  python: string,
  out: string,
  options: { lod: boolean },
): Promise<BundleReport> {
  const program = environmentProgram(python);
  return untilStopped((signal) => makeBundle(program, out, { ...options, signal }));
}

/**
 * Exports, and checks what was written.
 *
 * @throws EnvironmentSetupError for what the environment lacks
 */
export async function makeBundle(
  program: string,
  out: string,
  { lod, signal }: { lod: boolean; signal: AbortSignal },
): Promise<BundleReport> {
  const script = join(toolFolder(), 'export_bundle.py');
  await runPythonTool({
    name: 'the exporter',
    code: 'ERR_DSRL_LIBERO_EXPORT',
    program,
    words: ['-W', 'ignore', script, '--out', out, ...(lod ? [] : ['--no-lod'])],
    folder: tmpdir(), // MuJoCo leaves a log of its warnings where it runs
    env: { OMP_NUM_THREADS: '1' },
    signal,
    say: tell,
  });
  return checkBundle(out);
}

/** Only our own words: LIBERO and robosuite warn of things that do not matter here. */
function tell(line: string): void {
  if (line.startsWith('libero: ')) process.stderr.write(`${line}\n`);
}

function environmentProgram(python: string): string {
  const path = resolve(python);
  const program = isFolder(path) ? join(path, 'bin', 'python') : path;
  if (existsSync(program)) return program;
  throw new UsageError('ERR_DSRL_USAGE', `libero: --python ${python}: there is no ${program}`, {
    hint: 'name the folder of a Python environment, the one that holds bin/python',
  });
}

/** A signal stops the work; what is half done is removed or gone on with. */
export async function untilStopped<Result>(
  body: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const { result, stopped } = await stoppable(
    body,
    STOPPING,
    () => 'type the same command again: it goes on where it was stopped',
  );
  if (stopped !== null) throw stopped;
  return result;
}
