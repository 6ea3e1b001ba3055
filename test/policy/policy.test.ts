import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createRuntime, FrozenPolicy, PolicyError, Tensor } from '../../lib/index.js';
import { editedPolicy, SHIPPED } from '../support/policy.js';

const runtime = createRuntime({ device: 'cpu' });
/** A copy of the policy that ships. */
const copied = () => editedPolicy(() => {});

function failure(folder: string): PolicyError {
  try {
    FrozenPolicy.load(runtime, folder);
  } catch (error) {
    expect(error).toBeInstanceOf(PolicyError);
    return error as PolicyError;
  }
  throw new Error(`${folder} was loaded`);
}

describe('loading refuses', () => {
  test('a folder that is not there', () => {
    const error = failure(join(SHIPPED, 'nowhere'));
    expect(error.code).toBe('ERR_DSRL_POLICY_MISSING');
    expect(error.message).toContain(join(SHIPPED, 'nowhere', 'policy.json'));
  });

  test('a folder without policy.pt, or with a folder in its place', () => {
    const folder = copied();
    rmSync(join(folder, 'policy.pt'));
    for (const put of [() => {}, () => mkdirSync(join(folder, 'policy.pt'))]) {
      put();
      const error = failure(folder);
      expect(error.code).toBe('ERR_DSRL_POLICY_MISSING');
      expect(error.message).toContain('policy.pt');
    }
  });

  // Of the right hash, and well formed: only the program itself tells.
  test.each<[string, unknown, string]>([
    ['horizon', 6, 'horizon 6'],
    ['noise_dim', 40, 'noise_dim 40'],
    ['image_size', 79, 'image_size 79'],
    ['precision', 'bfloat16', 'precision bfloat16'],
    ['time_convention', 'float32', 'time_convention float32'],
    ['prompts', { tidy: [2, 119, 999, 103, 124, 13] }, 'the token 999'],
  ])('a policy.json whose %s contradicts policy.pt, with both named', (key, value, named) => {
    const folder = editedPolicy((json) => {
      json[key] = value;
    });
    const error = failure(folder);
    expect(error.code).toBe('ERR_DSRL_POLICY_CONTRACT');
    expect(error.message).toContain(named);
    expect(error.message).toContain(join(folder, 'policy.pt'));
  });

  test('a policy.json that is cut off', () => {
    const folder = copied();
    const file = join(folder, 'policy.json');
    const text = readFileSync(file, 'utf8');
    writeFileSync(file, text.slice(0, text.length / 2));
    expect(failure(folder).code).toBe('ERR_DSRL_POLICY_DAMAGED');
  });

  test.each<[string, unknown, string]>([
    ['format', 'dsrl-native-policy/2', 'format'],
    ['horizon', 0, 'horizon'],
    ['state_dim', 9, 'normalization.state.mean'],
    ['prompts', { tidy: [1] }, 'prompts.tidy'],
    ['surprise', 1, 'surprise'],
  ])('a policy.json with a wrong %s, which it names', (key, value, named) => {
    const error = failure(
      editedPolicy((json) => {
        json[key] = value;
      }),
    );
    expect(error.code).toBe('ERR_DSRL_POLICY_DAMAGED');
    expect(error.message).toContain(named);
  });

  test('a policy.pt of another hash', () => {
    const folder = copied();
    const file = join(folder, 'policy.pt');
    const bytes = readFileSync(file);
    bytes.writeUInt8(bytes.readUInt8(1000) ^ 1, 1000);
    writeFileSync(file, bytes);
    expect(failure(folder).code).toBe('ERR_DSRL_POLICY_HASH');
  });
});

describe('sampling', () => {
  const policy = FrozenPolicy.load(runtime, SHIPPED);

  function sample(options: { side?: number; camera?: string } = {}) {
    const { side = 64, camera = 'main' } = options;
    const pixels = new Uint8Array(2 * side * side * 3).fill(128);
    const image = Tensor.from(runtime, pixels, [2, side, side, 3], 'uint8');
    const state = Tensor.from(runtime, new Float32Array(16), [2, 8], 'float32');
    const noise = Tensor.from(runtime, new Float32Array(64), [2, 32], 'float32');
    return policy.sample({ images: { [camera]: image }, state, prompts: ['tidy', 'tidy'] }, noise);
  }

  test('gives a chunk of actions to each environment', async () => {
    const actions = await sample();
    expect(actions.shape).toEqual([2, 5, 7]);
    expect(actions.isFinite()).toBe(true);
  });

  test.each([
    ['image size', { side: 32 }, '[2, 32, 32, 3]'],
    ['camera', { camera: 'wrist' }, '`main`'],
  ])('refuses a wrong %s', async (_, options, named) => {
    const error = await sample(options).then(
      () => null,
      (cause: unknown) => cause,
    );
    expect(error).toBeInstanceOf(PolicyError);
    expect(error).toMatchObject({ code: 'ERR_DSRL_POLICY_CONTRACT' });
    expect((error as PolicyError).message).toContain(named);
  });
});
