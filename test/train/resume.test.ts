import { mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { composeConfig } from '../../lib/config/index.js';
import { createProgress } from '../../lib/log/progress.js';
import { createRuntime } from '../../lib/native/index.js';
import { train } from '../../lib/train/index.js';

const SMALL = ['algorithm.update_epoch=3', 'env.train.total_num_envs=4', 'runner.save_interval=2'];

function configured(steps: number, ...more: string[]) {
  const overrides = [...SMALL, `runner.max_steps=${steps}`, ...more];
  return composeConfig({ recipe: 'tabletop', overrides }).config;
}

/** The bytes of every tensor file of a checkpoint. */
function tensors(checkpoint: string): Record<string, string> {
  const files = readdirSync(checkpoint).filter((file) => file.endsWith('.safetensors'));
  return Object.fromEntries(
    files.map((file) => [file, readFileSync(join(checkpoint, file)).toString('base64')]),
  );
}

test('resumed and evaluated runs are bit for bit the plain one', { timeout: 300_000 }, async () => {
  const runtime = createRuntime({ device: 'cpu' });
  const progress = createProgress({ format: 'quiet', totalSteps: 4 });
  const root = mkdtempSync(join(tmpdir(), 'dsrl-train-'));
  const plain = await train({
    config: configured(4),
    runtime,
    runDir: join(root, 'plain'),
    progress,
  });
  expect(plain.globalSteps).toBe(4);
  expect(plain.updates).toBe(12);

  const config = configured(4, 'runner.val_check_interval=2', 'env.eval.total_num_envs=8');
  const evaluated = await train({ config, runtime, runDir: join(root, 'eval'), progress });
  expect(evaluated.history.map((point) => point.evalSuccess === undefined)).toEqual([
    true,
    false,
    true,
    false,
  ]);
  expect(tensors(evaluated.checkpoint as string)).toEqual(tensors(plain.checkpoint as string));

  const half = await train({
    config: configured(2),
    runtime,
    runDir: join(root, 'half'),
    progress,
  });
  const resumed = await train({ config: configured(4), runtime, resume: half.run, progress });
  expect(resumed.run).toBe(half.run);
  expect(tensors(resumed.checkpoint as string)).toEqual(tensors(plain.checkpoint as string));
  expect(resumed.envSteps).toBe(plain.envSteps);
  const lines = readFileSync(join(half.run, 'metrics.jsonl'), 'utf8').trim().split('\n');
  expect(lines.map((line) => JSON.parse(line).step)).toEqual([0, 1, 2, 3]);
  const log = readFileSync(join(evaluated.run, 'run.log'), 'utf8');
  for (const line of ['step 1/4', 'eval at step 2', 'step_4']) expect(log).toContain(line);
});
