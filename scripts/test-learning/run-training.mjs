import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../setup/steps.mjs';

/** A training (training.mjs) in a process of its own; resolves to the answer of agent.mjs. */
export async function runTraining(training) {
  const program = join(root, 'scripts', 'test-learning', 'agent.mjs');
  const child = spawn(process.execPath, [program, JSON.stringify(training)], {
    cwd: root,
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
  if (status !== 0) throw new Error(`a training ended with ${status}`);
  return JSON.parse(output.trimEnd().split('\n').at(-1));
}

/** What a run logged, an object a global step. */
export function rowsOf(run) {
  return readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}
