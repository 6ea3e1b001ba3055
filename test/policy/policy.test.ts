import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { createRuntime, FrozenPolicy, PolicyError, Tensor } from '../../lib/index.js';

const SHIPPED = fileURLToPath(new URL('../../policies/tabletop', import.meta.url));
const runtime = createRuntime({ device: 'cpu' });
const root = mkdtempSync(join(tmpdir(), 'dsrl-policy-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A copy of the policy that ships. */
function copied(): string {
  const folder = mkdtempSync(join(root, 'policy-'));
  cpSync(SHIPPED, folder, { recursive: true });
  return folder;
}

/** A copy with an edited policy.json; the hash of policy.pt stays right. */
function edited(edit: (json: Record<string, unknown>) => void): string {
  const folder = copied();
  const file = join(folder, 'policy.json');
  const json = JSON.parse(readFileSync(file, 'utf8'));
  edit(json);
  writeFileSync(file, JSON.stringify(json));
  return folder;
}

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
    const error = failure(join(root, 'nowhere'));
    expect(error.code).toBe('ERR_DSRL_POLICY_MISSING');
    expect(error.message).toContain(join(root, 'nowhere', 'policy.json'));
  });

  test('a folder without policy.pt', () => {
    const folder = copied();
    rmSync(join(folder, 'policy.pt'));
    const error = failure(folder);
    expect(error.code).toBe('ERR_DSRL_POLICY_MISSING');
    expect(error.message).toContain('policy.pt');
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
      edited((json) => {
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
