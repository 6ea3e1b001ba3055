import { join } from 'node:path';
import { findTorchPython } from '../torch/python.js';
import { packageRoot } from '../torch/surroundings.js';
import { runPythonTool } from './python-tool.js';
import { STOPPING, stoppable } from './signals.js';

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
  const printed = await runPythonTool({
    name: 'the exporter',
    code: 'ERR_DSRL_EXPORT_FAILED',
    program,
    words: ['-m', 'pi0.export', ...words],
    folder,
    env: { PYTHONPATH: paths },
    signal,
    say: (line) => process.stderr.write(`${line}\n`),
  });
  return printed as { policy: string };
}
