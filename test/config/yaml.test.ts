import { describe, expect, it } from 'vitest';
import { lookup, toPlain } from '../../lib/config/tree.js';
import { parseYaml } from '../../lib/config/yaml-source.js';
import { ConfigError } from '../../lib/errors.js';
import { Random } from './random.js';

const read = (text: string) => toPlain(parseYaml(text, 'a.yaml', false));

describe('YAML, as OmegaConf reads it', () => {
  it.each([
    ['1e-4', 1e-4],
    ['3.0e-4', 3e-4],
    ['1_000', 1000],
    ['010', 8],
    ['.inf', Infinity],
    ['yes', true],
    ['Off', false],
    ['y', 'y'],
    ['N', 'N'],
    ['~', null],
    ['', null],
    ['2020-01-01', '2020-01-01'],
    ['"off"', 'off'],
    ["'1'", '1'],
    ['1.2.3', '1.2.3'],
    ['[a, {b: 1}]', ['a', { b: 1 }]],
    ['|\n  two\n  lines\n', 'two\nlines\n'],
  ])('a: %s', (text, value) => {
    expect(read(`a: ${text}`)).toEqual({ a: value });
  });

  it('takes keys as they are written', () => {
    expect(read('on: 1\n1e3: 2\nenv, rollout: 3\n"quoted key": 4\n')).toEqual({
      on: 1,
      '1e3': 2,
      'env, rollout': 3,
      'quoted key': 4,
    });
  });

  it('resolves aliases and merge keys', () => {
    const text = 'base: &b {x: 1, y: 2}\nsame: *b\nmore: {<<: *b, y: 3, z: 4}\n';
    expect(read(text)).toMatchObject({ same: { x: 1, y: 2 }, more: { x: 1, y: 3, z: 4 } });
    expect(read('a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b]}\n')).toMatchObject({
      c: { x: 1, y: 2 },
    });
  });

  it('reads an empty file as no keys', () => {
    expect(read('')).toEqual({});
    expect(read('# only a comment\n')).toEqual({});
  });

  it('remembers where things stand', () => {
    const tree = parseYaml('a:\n  b: [1,\n      2]\n  c:\n', 'dir/a.yaml', true);
    const at = (...path: string[]) => lookup(tree, path)?.origin;
    expect(at('a', 'b', '1')).toEqual({ where: 'dir/a.yaml:3:7', packaged: true });
    expect(at('a', 'c')?.where).toBe('dir/a.yaml:4:5');
  });
});

it('answers every text with a tree or a ConfigError', () => {
  const random = new Random(5);
  const pieces = [
    'a',
    ': ',
    '\n',
    '  ',
    '- ',
    '[',
    ']',
    '{',
    '}',
    ',',
    '&x ',
    '*x',
    '!t ',
    '|',
    '>',
  ];
  const alphabet = [...pieces, '#', '"', "'", '%', '@', '`', '?', '<<', '---\n', '\t', '1', '\0'];
  let good = 0;
  for (let round = 0; round < 5000; round++) {
    const text = random.text(alphabet, 14);
    try {
      read(text);
      good += 1;
    } catch (error) {
      expect(error, JSON.stringify(text)).toBeInstanceOf(ConfigError);
      expect((error as ConfigError).message, text).toMatch(/^a\.yaml:\d+:\d+: /);
    }
  }
  expect(good).toBeGreaterThan(100);
});
