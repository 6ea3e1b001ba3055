import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { configJsonSchema } from '../../lib/config/json-schema.js';

const configs = join(import.meta.dirname, '../../configs');
const recipes = readdirSync(configs).filter((name) => name.endsWith('.yaml'));
/** An implementation of JSON Schema (draft 7, which editors read) that is not zod's. */
const validate = new Ajv({ strict: true, allErrors: true }).compile(configJsonSchema());

function read(name: string): Record<string, unknown> {
  return parse(readFileSync(join(configs, name), 'utf8'), { version: '1.1' });
}

function complaints(document: unknown): string[] {
  validate(document);
  return (validate.errors ?? []).map(({ instancePath, message, params }) =>
    `${instancePath} ${message} ${params.additionalProperty ?? ''}`.trim(),
  );
}

it.each(recipes)('the recipe %s is valid', (name) => {
  expect(complaints(read(name))).toEqual([]);
});

it("RLinf's own file is valid", () => {
  const file = join(configs, '../test/fixtures/config/rlinf_libero_spatial_dsrl_openpi.yaml');
  expect(complaints(parse(readFileSync(file, 'utf8'), { version: '1.1' }))).toEqual([]);
});

it('what the package refuses is invalid, in its place', () => {
  const planted = (path: string, value: unknown) => {
    const document = read('tabletop.yaml');
    const keys = path.split('.');
    const last = keys.pop() as string;
    const block = keys.reduce((node, key) => {
      node[key] ??= {};
      return node[key] as Record<string, unknown>;
    }, document);
    block[last] = value;
    return complaints(document).join('\n');
  };
  expect(planted('algorithm.gama', 0.9)).toContain('gama');
  expect(planted('algorithm.gamma', 'much')).toContain('/algorithm/gamma must be number');
  expect(planted('algorithm.gamma', 1.5)).toContain('/algorithm/gamma must be <= 1');
  expect(planted('seed', -1)).toContain('/seed must be >= 0');
  expect(planted('device', 'tpu')).toContain('/device must be equal to one of the allowed values');
  expect(planted('device', 'cuda:-1')).toContain('/device');
  expect(planted('device', 'cuda:1')).toBe('');
  expect(planted('runner.max_steps', 0)).toContain('/runner/max_steps must be >= 1');
  expect(planted('runner.max_steps', -1)).toBe('');
  expect(planted('run', {})).toContain('run');
  expect(planted('env.train.trials', [0, 50, 1])).toContain('/env/train/trials');
  expect(planted('env.train.trials', [0, `\${env.eval.trials.1}`])).toBe('');
  expect(planted('actor.model.openpi.dsrl_hidden_dims', [])).toContain('dsrl_hidden_dims');
  expect(planted('algorithm.gamma', `\${algorithm.tau}`)).toBe('');
  expect(planted('cluster.anything', 1)).toBe('');
});

it('an editor is offered the values that a key takes', () => {
  interface Part {
    properties?: Record<string, Part>;
    anyOf?: Part[];
    enum?: string[];
    description?: string;
  }
  const walk = (node: Part | undefined): Part[] =>
    node === undefined ? [] : [node, ...(node.anyOf ?? []).flatMap(walk)];
  const offered = (...path: string[]) => {
    const parts = path.reduce(
      (nodes, key) => nodes.flatMap(({ properties }) => walk(properties?.[key])),
      [configJsonSchema() as Part],
    );
    expect(parts.some(({ description }) => description !== undefined)).toBe(true);
    return parts.flatMap(({ enum: values }) => values ?? []);
  };
  expect(offered('env', 'train', 'env_type')).toEqual(['tabletop', 'libero', 'libero-python']);
  expect(offered('device')).toEqual(['auto', 'cpu', 'cuda']);
});

it('every key that is honoured says what it means', () => {
  const schema = JSON.stringify(configJsonSchema());
  expect(schema).toContain('the one seed of a run');
  expect(schema).toContain('a number above 0 and at most 1');
});
