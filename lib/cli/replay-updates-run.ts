import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DivergedError, EnvironmentSetupError, UsageError } from '../errors.js';
import { makeFolder } from '../folder.js';
import { createRuntime, Learner, type UpdateRow } from '../native/index.js';
import { readSettings } from './replay-updates-config.js';

export interface ReplayUpdates {
  agent: string;
  batches: string;
  config: string;
  out: string;
  target: string | undefined;
  optimizer: string | undefined;
  first: number;
  limit: number | undefined;
  device: string;
  threads: number | undefined;
}

const OUTPUTS = ['agent_after', 'target_after', 'optimizer_after'].map(
  (name) => `${name}.safetensors`,
);

/**
 * Runs the updates and writes the four files, or none if an input is wrong.
 *
 * @throws DivergedError if a loss or weight is not finite, after the files were written as they
 *   stood before that update
 */
export async function replayUpdates(request: ReplayUpdates): Promise<void> {
  const settings = readSettings(request.config);
  const files = batchFiles(request);
  const runtime = createRuntime({ device: request.device });
  const { threads } = request;
  if (threads !== undefined) runtime.setThreads(threads);
  const shared = threads === undefined ? settings : { ...settings, threads };
  const learner = new Learner(runtime, shared, 0n);
  learner.loadAgent(request.agent);
  if (request.target === undefined) learner.resetTarget();
  else learner.loadTarget(request.target);
  if (request.optimizer !== undefined) learner.loadOptimizer(request.optimizer);
  learner.updates = request.first;

  const folder = temporaryFolder(request.out);
  try {
    const rows: UpdateRow[] = [];
    // Kept before every update: after one that diverged the learner no longer has them.
    await save(learner, folder);
    for (const file of files) {
      const row = learner.updateFromFile(file);
      if (!isFiniteRow(row) || !(await learner.finite())) {
        publish(request.out, folder, rows, settings.num_q_heads);
        throw diverged(request.first + rows.length, file, row);
      }
      rows.push(row);
      await save(learner, folder);
    }
    publish(request.out, folder, rows, settings.num_q_heads);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function batchFiles({ batches, first, limit }: ReplayUpdates): string[] {
  let names: string[];
  try {
    names = readdirSync(batches);
  } catch (cause) {
    throw noBatches(`${batches} cannot be read as a folder of batches`, cause);
  }
  const files = names.filter((name) => /^batch_\d+\.safetensors$/.test(name)).sort();
  if (files.length === 0) throw noBatches(`${batches} holds no batch_00.safetensors, ...`);
  if (first > files.length) {
    throw noBatches(`--first ${first}: ${batches} holds ${files.length} batches`);
  }
  const end = limit === undefined ? files.length : first + limit;
  return files.slice(first, end).map((name) => join(batches, name));
}

function noBatches(message: string, cause?: unknown): UsageError {
  return new UsageError('ERR_DSRL_REPLAY_BATCHES', message, {
    hint: 'name the folder that holds batch_00.safetensors with --batches',
    cause,
  });
}

/** Beside the outputs, so that they get their names by a rename. */
function temporaryFolder(out: string): string {
  try {
    makeFolder(out);
    return mkdtempSync(join(out, '.unfinished-'));
  } catch (cause) {
    throw new EnvironmentSetupError('ERR_DSRL_UNWRITABLE', `${out} cannot be written to`, {
      hint: 'name another folder with --out',
      cause,
    });
  }
}

async function save(learner: Learner, folder: string): Promise<void> {
  const [agent, target, optimizer] = OUTPUTS.map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await learner.saveAgent(agent);
  await learner.saveTarget(target);
  await learner.saveOptimizer(optimizer);
}

function publish(out: string, folder: string, rows: readonly UpdateRow[], heads: number): void {
  for (const name of OUTPUTS) renameSync(join(folder, name), join(out, name));
  const lines = rows.map((row) => `${JSON.stringify(inOrder(row, heads))}\n`);
  writeFileSync(join(out, 'metrics.jsonl'), lines.join(''));
}

/** The keys that this update has, in the order of the file's description. */
function inOrder(row: UpdateRow, heads: number): Record<string, number> {
  const keys = [
    ...['update', 'critic_loss', 'target_q', 'q_data'],
    ...['critic_grad_norm', 'actor_grad_norm', 'alpha_grad_norm'],
    ...['actor_loss', 'alpha_loss', 'entropy', 'q_pi'],
    ...Array.from({ length: heads }, (_, head) => `q_value_${head}`),
    'alpha',
  ];
  const entries = keys.flatMap((key): [string, number][] => {
    const value = row[key];
    return value === undefined ? [] : [[key, value]];
  });
  return Object.fromEntries(entries);
}

function isFiniteRow(row: UpdateRow): boolean {
  return Object.values(row).every((value) => Number.isFinite(value));
}

function diverged(update: number, file: string, row: UpdateRow): DivergedError {
  const names = Object.keys(row).filter((key) => !Number.isFinite(row[key]));
  const what = names.length > 0 ? names.join(', ') : 'a weight';
  return new DivergedError(`update ${update} (${file}): ${what} is not finite`, {
    hint: 'the files in --out stand as they were before that update',
  });
}
