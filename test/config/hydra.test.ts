import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { composeTree } from '../../lib/config/compose.js';
import { Problems } from '../../lib/config/problems.js';
import { toPlain } from '../../lib/config/tree.js';
import { ConfigError } from '../../lib/errors.js';

interface Case {
  config: string;
  overrides: string[];
  result?: Record<string, unknown>;
  error?: string;
}

const fixtures = join(import.meta.dirname, '../fixtures/config');
const recorded = JSON.parse(readFileSync(join(fixtures, 'hydra_recorded.json'), 'utf8'), floats);

/** JSON has no nan and no infinity. */
function floats(_key: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || !('$float' in value)) return value;
  return { nan: Number.NaN, inf: Infinity, '-inf': -Infinity }[String(value.$float)];
}

function compose({ config, overrides }: Case): Record<string, unknown> {
  const isRlinf = config.startsWith('rlinf');
  const file = join(fixtures, isRlinf ? '' : 'composition', `${config}.yaml`);
  const problems = new Problems();
  const { root } = composeTree({ file, overrides }, file, problems);
  problems.throwIfAny(file, null);
  return toPlain(root) as Record<string, unknown>;
}

describe('the tree is the one that Hydra composes', () => {
  const before = { ...process.env };
  beforeAll(() => {
    process.env.EMBODIED_PATH = join(fixtures, 'composition');
    process.env.DSRL_TEST_VARIABLE = 'from the environment';
  });
  afterAll(() => {
    process.env = before;
  });

  it('has many cases, of Hydra 1.3', () => {
    expect(recorded.hydra).toMatch(/^1\.3/);
    expect(recorded.cases.length).toBeGreaterThan(150);
  });

  it.each(recorded.cases as Case[])('$config $overrides', (recordedCase) => {
    const { result, error } = recordedCase;
    if (error !== undefined) {
      expect(() => compose(recordedCase)).toThrow(ConfigError);
      return;
    }
    const composed = compose(recordedCase);
    // Of the cases about values only the value was recorded.
    const isValue = Object.keys(result ?? {}).join() === 'v';
    expect(isValue ? { v: composed.v } : composed).toEqual(result);
  });
});
