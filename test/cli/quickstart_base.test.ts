import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { remembered } from '../../lib/cli/quickstart-base.js';
import { composeConfig } from '../../lib/config/index.js';
import type { EvaluationResult } from '../../lib/train/index.js';

const folder = mkdtempSync(join(tmpdir(), 'dsrl-base-'));
afterAll(() => rmSync(folder, { recursive: true }));
const POLICY = fileURLToPath(new URL('../../policies/tabletop', import.meta.url));
const mine = join(folder, 'mine');
cpSync(POLICY, mine, { recursive: true });

/** How often the frozen policy is evaluated for the configuration. */
async function evaluations(...more: string[]): Promise<number> {
  const overrides = [`actor.model.model_path=${mine}`, ...more];
  const { config } = composeConfig({ recipe: 'tabletop', overrides });
  let count = 0;
  await remembered(join(folder, 'run'), config, async () => {
    count++;
    return { success: 0.5 } as EvaluationResult;
  });
  return count;
}

it('counts for the same question alone', async () => {
  expect(await evaluations()).toBe(1);
  expect(await evaluations('runner.max_steps=3')).toBe(0);
  expect(await evaluations('actor.model.num_action_chunks=2')).toBe(1);
  expect(await evaluations('actor.model.num_action_chunks=2')).toBe(0);
});

it('does not count for another policy of the same name', async () => {
  await evaluations();
  const file = join(mine, 'policy.json');
  const contract = JSON.parse(readFileSync(file, 'utf8'));
  contract.sha256['policy.pt'] = '0'.repeat(64);
  writeFileSync(file, JSON.stringify(contract));
  expect(await evaluations()).toBe(1);
  expect(await evaluations()).toBe(0);
});
