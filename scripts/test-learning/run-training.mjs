import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { lastLine } from '../last-line.mjs';

/** A training (training.mjs) in a process of its own; resolves to the answer of agent.mjs. */
export function runTraining(training) {
  const program = join('scripts', 'test-learning', 'agent.mjs');
  return lastLine('a training', process.execPath, [program, JSON.stringify(training)]);
}

/** What a run logged, an object a global step. */
export function rowsOf(run) {
  return readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
}
