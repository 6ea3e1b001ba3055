import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  inputsOf,
  type Result,
  reference,
  replayUpdates,
  runReference,
} from './support/replay_updates.js';

/*
 * The learner against python/reference, an update in plain PyTorch that was written from the
 * description alone. Agreement counts because the comparison is shown to see ten mistakes, each
 * planted in the reference: it has to tell those from the learner, too.
 */

interface Scenario {
  name: string;
  about: string;
  arguments: string[];
  plants: string[];
}

interface Comparison {
  passed: boolean;
  errors: string[];
  worst: { what: string; excess: number; detail: string }[];
}

const mistakes = [
  'stale-features',
  'online-target-encoders',
  'no-tanh-correction',
  'gamma-always',
  'joint-clipping',
  'no-termination-mask',
  'divide-by-256',
  'swapped-concatenation',
  'missing-log-b',
  'bf16-ema',
];
const scenarios = JSON.parse(await reference('scenarios')) as Scenario[];
const planted = scenarios.flatMap(({ name, plants }) => plants.map((plant) => ({ name, plant })));

const readJson = (file: string): unknown => JSON.parse(readFileSync(file, 'utf8'));

const cases = mkdtempSync(join(tmpdir(), 'replay-updates-'));
afterAll(() => rmSync(cases, { recursive: true, force: true }));

describe('debug replay-updates beside the independent reference', () => {
  const ended = new Map<string, Result>();
  const compared = new Map<string, Comparison>();

  /** Outputs are named by their folder: 'base/reference', 'base/plant-bf16-ema'. */
  function comparison(output: string): Comparison {
    const found = compared.get(output);
    if (!found) throw new Error(`${output} was not compared: the learner wrote nothing`);
    return found;
  }

  beforeAll(async () => {
    await reference('make_case', '--out', cases);
    const learner = async () => {
      for (const { name, arguments: further } of scenarios) {
        const folder = join(cases, name);
        const out = ['--out', join(folder, 'learner')];
        ended.set(name, await replayUpdates(...inputsOf(folder), ...out, ...further));
      }
    };
    await Promise.all([learner(), reference('run_scenarios', '--cases', cases)]);

    const outputs = [
      ...scenarios.map(({ name }) => ({ name, output: 'reference' })),
      ...planted.map(({ name, plant }) => ({ name, output: `plant-${plant}` })),
    ].filter(({ name }) => ended.get(name)?.status === 0);
    if (outputs.length === 0) return;
    const triples = outputs.flatMap(({ name, output }) => {
      const folder = join(cases, name);
      return [folder, join(folder, output), join(folder, 'learner')];
    });
    const findings = join(cases, 'findings.json');
    const { stderr } = await runReference('compare', ...triples, '--json', findings);
    if (!existsSync(findings)) throw new Error(`python -m reference.compare failed:\n${stderr}`);
    for (const [index, found] of (readJson(findings) as Comparison[]).entries()) {
      const { name, output } = outputs[index] ?? {};
      compared.set(`${name}/${output}`, found);
    }
  }, 1_200_000); // under a sanitizer, minutes

  it.each(scenarios)('agrees with it: $name ($about)', ({ name }) => {
    const { status, stderr } = ended.get(name) ?? {};
    expect(status, stderr).toBe(0);
    const { passed, errors, worst } = comparison(`${name}/reference`);
    expect({ passed, errors, worst: worst.filter(({ excess }) => excess > 1) }).toEqual({
      passed: true,
      errors: [],
      worst: [],
    });
  });

  it.each(planted)('sees $plant in $name', ({ name, plant }) => {
    const { passed, worst } = comparison(`${name}/plant-${plant}`);
    expect(passed).toBe(false);
    // Far from the border: a mistake must not be seen by luck.
    expect(worst[0]?.excess).toBeGreaterThan(5);
  });

  it('plants each of the ten mistakes somewhere', () => {
    expect([...new Set(planted.map(({ plant }) => plant))].sort()).toEqual([...mistakes].sort());
  });
});

it('the reference agrees with an update by hand, gradients by differences', async () => {
  const { status, stderr } = await runReference('test_sac_update');
  expect(status, stderr).toBe(0);
});
