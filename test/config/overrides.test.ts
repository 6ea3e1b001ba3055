import { describe, expect, it } from 'vitest';
import { composeConfig } from '../../lib/config/index.js';
import {
  GrammarError,
  type OverrideValue,
  parseOverride,
  parseValue,
} from '../../lib/config/override-grammar.js';
import { ConfigError } from '../../lib/errors.js';
import { Random } from './random.js';

const compose = (...overrides: string[]) => composeConfig({ recipe: 'tabletop', overrides }).config;

describe('value overrides', () => {
  it('take effect in the order they were typed', () => {
    expect(compose('algorithm.gamma=0.5', 'algorithm.gamma=0.25').algorithm.gamma).toBe(0.25);
  });

  it('set keys of the schema that no file mentions, without a +', () => {
    expect(compose('checkpoint.keep=7').checkpoint.keep).toBe(7);
    expect(compose('+checkpoint.keep=7').checkpoint.keep).toBe(7);
    expect(compose('++checkpoint.keep=7').checkpoint.keep).toBe(7);
    expect(compose('env.train.task_id_filter=[0,3]').env.train.task_id_filter).toEqual([0, 3]);
    expect(compose('actor.optim={lr: 0.5, adam_beta1: 0.8}').actor.optim).toMatchObject({
      lr: 0.5,
      adam_beta1: 0.8,
      adam_beta2: 0.96,
    });
  });

  it('delete a key, whose default then holds', () => {
    expect(compose('~algorithm.agg_q', '~algorithm.actor_agg_q').algorithm).toMatchObject({
      agg_q: 'min',
      actor_agg_q: 'min',
    });
    expect(compose('~algorithm.update_epoch=50').algorithm.update_epoch).toBe(1);
  });

  it('reach into lists', () => {
    const { openpi } = compose('actor.model.openpi.dsrl_hidden_dims.1=256').actor.model;
    expect(openpi.dsrl_hidden_dims).toEqual([128, 256, 128]);
  });

  it('interpolate', () => {
    const config = compose(`runner.logger.experiment_name=s\${seed}_\${algorithm.tau}`, 'seed=3');
    expect(config.runner.logger.experiment_name).toBe('s3_0.05');
  });

  it('let keys without effect pass', () => {
    expect(compose('cluster.num_nodes=4').cluster).toEqual({ num_nodes: 4 });
    expect(compose('+actor.fsdp_config.cpu_offload=True').actor.fsdp_config).toEqual({
      cpu_offload: true,
    });
    expect(compose('cluster.component_placement={actor: 0-3}').cluster).toEqual({
      component_placement: { actor: '0-3' },
    });
    expect(compose('hydra.run.dir=elsewhere', 'hydra/launcher=x').seed).toBe(0);
  });

  it('take the time', () => {
    const { experiment_name } = compose(`runner.logger.experiment_name='\${now:%Y-%m-%d}'`).runner
      .logger;
    expect(experiment_name).toMatch(/^20\d\d-\d\d-\d\d$/);
  });
});

describe('group overrides', () => {
  it('exchange, append and delete entries', () => {
    expect(compose('env@env.eval=libero_spatial').env.eval.env_type).toBe('libero');
    expect(compose('+env@env.eval=libero_spatial').env.eval).toMatchObject({
      // Appended, it lies over what the recipe itself says.
      env_type: 'libero',
      max_episode_steps: 240,
    });
    expect(compose('~env@env.eval').env.eval).toMatchObject({ env_type: 'tabletop' });
    expect(compose('+model@actor.model=pi0', '++actor.model.openpi.use_dsrl=True')).toBeDefined();
  });
});

/** Text that the grammar's own characters and near misses are made of. */
const ALPHABET = [
  ...'abz019_-.$:=,+~@/|?*%#!()[]{}\'"\\ \t\n',
  `\${`,
  'true',
  'null',
  'nan',
  '1e-4',
  'é',
];

describe('the grammar', () => {
  it('answers every text with a value or a GrammarError', () => {
    const random = new Random(1);
    let good = 0;
    for (let round = 0; round < 20_000; round++) {
      const text = (round % 2 === 0 ? 'a.b=' : '') + random.text(ALPHABET, 12);
      try {
        parseOverride(text);
        good += 1;
      } catch (error) {
        expect(error, text).toBeInstanceOf(GrammarError);
        expect((error as GrammarError).hint, text).not.toBe('');
      }
    }
    expect(good).toBeGreaterThan(1000);
  });

  it('answers the whole composition with a configuration or a ConfigError', () => {
    const random = new Random(2);
    const keys = ['seed', 'algorithm.gamma', 'actor.optim', '+x', '~env', 'env@env.eval', 'env'];
    for (let round = 0; round < 600; round++) {
      const override = `${random.pick(keys)}=${random.text(ALPHABET, 6)}`;
      try {
        compose(override);
      } catch (error) {
        expect(error, override).toBeInstanceOf(ConfigError);
      }
    }
  });

  it('reads back every value that is written quoted', () => {
    const random = new Random(3);
    for (let round = 0; round < 3000; round++) {
      const value = randomValue(random, 3);
      expect(parseValue(written(value))).toEqual(value);
    }
  });

  it('bounds nesting', () => {
    expect(() => parseValue('['.repeat(100_000))).toThrow(GrammarError);
    expect(() => parseValue('{a:'.repeat(100_000))).toThrow(GrammarError);
  });

  it('is fast on long texts', () => {
    expect(parseValue(`'${'a'.repeat(200_000)}'`)).toHaveLength(200_000);
    expect(parseValue('a '.repeat(50_000))).toHaveLength(99_999);
  });
});

function randomValue(random: Random, depth: number): OverrideValue {
  switch (random.below(depth > 0 ? 7 : 5)) {
    case 0:
      return random.below(2000) - 1000;
    case 1:
      return random.uniform() * 10 ** (random.below(40) - 20);
    case 2:
      return random.pick([true, false, null]);
    case 3:
    case 4:
      return random.text(ALPHABET, 8);
    case 5:
      return Array.from({ length: random.below(4) }, () => randomValue(random, depth - 1));
    default: {
      const keys = ['a', 'b_1', 'c-d'].slice(0, random.below(4));
      return new Map(keys.map((key) => [key, randomValue(random, depth - 1)]));
    }
  }
}

/** The text of a value in the grammar, with every text in quotes. */
function written(value: OverrideValue): string {
  if (Array.isArray(value)) return `[${value.map(written).join(', ')}]`;
  if (value instanceof Map) {
    return `{${[...value].map(([key, child]) => `${key}: ${written(child)}`).join(', ')}}`;
  }
  return typeof value === 'string' ? quoted(value) : String(value);
}

/** Hydra's quoting: backslashes count only before a quote, where they are doubled. */
function quoted(text: string): string {
  const inside = `${text}'`.replace(/(\\*)'/g, (_, run: string) => `${run}${run}\\'`);
  // The closing quote itself is not escaped.
  return `'${inside.slice(0, -2)}'`;
}
