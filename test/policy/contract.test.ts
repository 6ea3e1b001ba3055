import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { PolicyError } from '../../lib/index.js';
import { readContract } from '../../lib/policy/artefact.js';
import { nativeSpec } from '../../lib/policy/native-spec.js';

const SHIPPED = fileURLToPath(new URL('../../policies/tabletop/policy.json', import.meta.url));
const HASH = 'ab'.repeat(32);
const root = mkdtempSync(join(tmpdir(), 'dsrl-contract-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

type Json = Record<string, unknown>;

/** policy.json of an exported LIBERO checkpoint, with every key that there is. */
function exported(): Json {
  const numbers = (count: number, value: number) => new Array<number>(count).fill(value);
  return {
    format: 'dsrl-native-policy/1',
    kind: 'pi0',
    name: 'pi0_libero',
    horizon: 50,
    noise_dim: 32,
    state_dim: 8,
    action_dim: 7,
    num_steps: 10,
    precision: 'bfloat16',
    rope: 'f32',
    attention: 'sdpa',
    cameras: ['main', 'wrist'],
    camera_sources: { main: 'base_0_rgb', wrist: 'left_wrist_0_rgb' },
    masked_cameras: ['right_wrist_0_rgb'],
    image_size: 224,
    image_resize: 'openpi',
    prompt_length: 4,
    time_convention: 'float32',
    normalization: {
      mode: 'quantiles',
      eps: 1e-6,
      state: { q01: numbers(8, -1), q99: numbers(8, 1) },
      actions: { q01: numbers(7, -2), q99: numbers(7, 3) },
    },
    delta_action_mask: [true, true, true, true, true, true, false],
    tokenizer: {
      kind: 'sentencepiece',
      file: 'paligemma_tokenizer.model',
      convention: 'openpi',
      sha256: HASH,
    },
    prompts: { pick: [2, 18075, 108, 0] },
    prompt_lengths: { pick: 3 },
    sha256: { 'policy.pt': HASH, source: HASH },
    provenance: {},
  };
}

/** Sets the value at a path; undefined deletes it. */
function put(json: Json, path: readonly (string | number)[], value: unknown): void {
  let at = json as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string | number, unknown>;
  const last = path.at(-1) as string | number;
  if (value === undefined) delete at[last];
  else at[last] = value;
}

function read(json: Json) {
  writeFileSync(join(root, 'policy.json'), JSON.stringify(json));
  return readContract(root);
}

function complaint(json: Json): string {
  try {
    read(json);
  } catch (error) {
    expect(error).toBeInstanceOf(PolicyError);
    expect((error as PolicyError).code).toBe('ERR_DSRL_POLICY_DAMAGED');
    return (error as PolicyError).message;
  }
  expect.fail('it was accepted');
}

describe('valid files', () => {
  test('the policy that ships, which has none of the newer keys', () => {
    const contract = read(JSON.parse(readFileSync(SHIPPED, 'utf8')));
    expect(contract).toMatchObject({ image_resize: 'none', tokenizer: { kind: 'byte' } });
  });

  test('an exported one, with all of them', () => {
    expect(read(exported())).toEqual(exported());
  });

  test('LeRobot, without a tokenizer file', () => {
    const json = exported();
    json.tokenizer = { kind: 'tokenizers', file: null, convention: 'lerobot', sha256: null };
    json.image_resize = 'lerobot';
    Object.assign(json, { prompts: {}, prompt_lengths: {} });
    expect(read(json)).toEqual(json);
    json.tokenizer = { kind: 'tokenizers', convention: 'lerobot' };
    expect(read(json).tokenizer).toMatchObject({ file: null, sha256: null });
  });

  test('either normalisation, as the runner takes it', () => {
    expect(nativeSpec(read(exported()))).toMatchObject({
      normalization_mode: 'quantiles',
      state_low: new Array(8).fill(-1),
      action_high: new Array(7).fill(3),
      delta_action_mask: [1, 1, 1, 1, 1, 1, 0],
      image_resize: 'openpi',
      num_cameras: 2,
    });
    const spec = nativeSpec(read(JSON.parse(readFileSync(SHIPPED, 'utf8'))));
    expect(spec).toMatchObject({ normalization_mode: 'mean_std', image_resize: 'openpi' });
    expect(spec.state_mean?.[0]).toBeCloseTo(0.515);
    expect(spec.delta_action_mask).toEqual([]);
    expect(spec).not.toHaveProperty('state_low');
  });
});

describe('contradictions are named', () => {
  test.each<[string, (string | number)[], unknown, string[]]>([
    [
      'a state wider than the network',
      ['noise_dim'],
      7,
      ['state_dim', '8 is more', 'noise_dim = 7'],
    ],
    [
      'a short state vector',
      ['normalization', 'state', 'q01'],
      [0],
      ['state.q01', '1 entries', '8'],
    ],
    [
      'a long action vector',
      ['normalization', 'actions', 'q99'],
      new Array(32).fill(3),
      ['actions.q99', '32 entries', '7'],
    ],
    [
      'mean and std under quantiles',
      ['normalization', 'state'],
      { mean: [], std: [] },
      ['normalization.state'],
    ],
    [
      'quantiles the wrong way round',
      ['normalization', 'state', 'q99', 3],
      -2,
      ['state.q99[3]', 'q01 is -1', 'q99 -2'],
    ],
    [
      'a standard deviation below 0',
      ['normalization'],
      {
        mode: 'mean_std',
        eps: 0,
        state: { mean: [0], std: [-1] },
        actions: { mean: [0], std: [1] },
      },
      ['state.std[0]'],
    ],
    ['an unknown normalisation', ['normalization', 'mode'], 'min_max', ['normalization.mode']],
    [
      'a delta mask of another length',
      ['delta_action_mask'],
      [true],
      ['delta_action_mask', '1 entries', '7'],
    ],
    [
      'the same camera twice',
      ['cameras'],
      ['main', 'main', 'wrist'],
      ['cameras', '`main`', 'twice'],
    ],
    ['no camera', ['cameras'], [], ['cameras']],
    [
      'a source of no camera',
      ['camera_sources', 'third'],
      'right_wrist_0_rgb',
      ['camera_sources.third'],
    ],
    [
      'a camera both shown and masked',
      ['masked_cameras'],
      ['base_0_rgb'],
      ['masked_cameras', '`base_0_rgb`'],
    ],
    ['too few ids', ['prompts', 'pick'], [2, 108], ['prompts.pick', '2 entries', '4']],
    [
      'ids behind the prompt',
      ['prompts', 'pick'],
      [2, 108, 7, 5],
      ['prompt_lengths.pick', 'not all 0'],
    ],
    ['a negative id', ['prompts', 'pick', 1], -1, ['prompts.pick[1]']],
    [
      'a length of a prompt beyond its ids',
      ['prompt_lengths', 'pick'],
      5,
      ['prompt_lengths.pick', 'prompt_length = 4'],
    ],
    ['no length of a prompt', ['prompt_lengths', 'pick'], undefined, ['prompt_lengths.pick']],
    ['a length of no prompt', ['prompt_lengths', 'place'], 2, ['prompt_lengths.place']],
    [
      'a tokenizer outside the folder',
      ['tokenizer', 'file'],
      '../paligemma_tokenizer.model',
      ['tokenizer.file'],
    ],
    ['a tokenizer that is a folder', ['tokenizer', 'file'], '..', ['tokenizer.file']],
    ['an unknown tokenizer', ['tokenizer', 'kind'], 'tiktoken', ['tokenizer.kind']],
    ['an unknown convention', ['tokenizer', 'convention'], 'big_vision', ['tokenizer.convention']],
    ['a hash that is none', ['sha256', 'policy.pt'], 'abc', ['sha256', '64 hexadecimal']],
    ['a horizon of 0', ['horizon'], 0, ['horizon']],
    ['half a step', ['num_steps'], 2.5, ['num_steps']],
    ['an unknown key', ['horizont'], 5, ['horizont']],
  ])('%s', (_, path, value, named) => {
    const json = exported();
    put(json, path, value);
    const message = complaint(json);
    for (const part of named) expect(message).toContain(part);
  });

  test('a deviation of 0 with nothing added to it', () => {
    const json = exported();
    const zero = { mean: new Array(8).fill(0), std: [1, 1, 1, 1, 1, 1, 1, 0] };
    const actions = { mean: new Array(7).fill(0), std: new Array(7).fill(1) };
    json.normalization = { mode: 'mean_std', eps: 0, state: zero, actions };
    expect(complaint(json)).toContain('state.std[7]');
    json.normalization = { mode: 'mean_std', eps: 1e-8, state: zero, actions };
    expect(read(json).normalization.eps).toBe(1e-8);
  });

  test('deltas of actions that the state does not have', () => {
    const json = exported();
    json.state_dim = 5;
    for (const field of ['q01', 'q99'])
      put(json, ['normalization', 'state', field], [0, 0, 0, 0, 0]);
    expect(complaint(json)).toContain('action 5 has no entry in a state of 5');
  });

  test('all of them at once, not the first alone', () => {
    const json = exported();
    put(json, ['cameras'], ['main', 'main']);
    put(json, ['delta_action_mask'], [true]);
    put(json, ['prompt_lengths', 'pick'], 9);
    const message = complaint(json);
    for (const part of ['cameras', 'delta_action_mask', 'prompt_lengths.pick']) {
      expect(message).toContain(part);
    }
  });
});

test('whatever one value is replaced by, it is accepted or the entry is named', () => {
  const values = [null, true, -1, 1.5, 'text', [], {}];
  const paths: (string | number)[][] = [];
  const walk = (value: unknown, path: (string | number)[]): void => {
    if (path.length > 0) paths.push(path);
    if (Array.isArray(value)) walk(value[0], [...path, 0]);
    else if (typeof value === 'object' && value !== null) {
      for (const [key, inner] of Object.entries(value)) walk(inner, [...path, key]);
    }
  };
  walk(exported(), []);
  expect(paths.length).toBeGreaterThan(50);
  let refused = 0;
  for (const path of paths) {
    for (const value of [undefined, ...values]) {
      const json = exported();
      put(json, path, value);
      try {
        read(json);
      } catch (error) {
        refused += 1;
        expect(error).toMatchObject({ code: 'ERR_DSRL_POLICY_DAMAGED' });
        // An entry further up may be named too, where what it holds no longer fits it.
        expect((error as Error).message).toContain(String(path[0]));
      }
    }
  }
  expect(refused).toBeGreaterThan(300);
});
