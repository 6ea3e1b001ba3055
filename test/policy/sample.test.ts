import { existsSync, mkdtempSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest';
import { main } from '../../lib/cli/main.js';
import { createRuntime, FrozenPolicy, Tensor } from '../../lib/index.js';
import { NativePolicy } from '../../lib/native/index.js';
import { readArtefact } from '../../lib/policy/artefact.js';
import { nativeSpec } from '../../lib/policy/native-spec.js';
import { type RawTensor, readSafetensors, writeSafetensors } from '../support/safetensors.js';

const SHIPPED = fileURLToPath(new URL('../../policies/tabletop', import.meta.url));
const runtime = createRuntime({ device: 'cpu' });
const folder = mkdtempSync(join(tmpdir(), 'dsrl-sample-'));
const inputs = join(folder, 'inputs.safetensors');
const out = join(folder, 'out.safetensors');
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => rmSync(out, { force: true }));

const uniform = (count: number) =>
  Float32Array.from({ length: count }, (_, i) => ((i * 7919) % 2003) / 1001.5 - 1);
const float32 = (...shape: number[]): RawTensor => {
  const values = uniform(shape.reduce((a, b) => a * b));
  return { dtype: 'F32', shape, data: Buffer.from(values.buffer) };
};
const bool = (...shape: number[]): RawTensor => {
  const count = shape.reduce((a, b) => a * b);
  return { dtype: 'BOOL', shape, data: Buffer.alloc(count, 1) };
};

/** Two observations with two cameras each, and a noise each. */
function tensors(): Map<string, RawTensor> {
  const tokens = BigInt64Array.from([2n, 119n, 13n, 2n, 108n, 13n]);
  return new Map([
    ['images', float32(2, 2, 3, 64, 64)],
    ['image_masks', bool(2, 2)],
    ['tokens', { dtype: 'I64', shape: [2, 3], data: Buffer.from(tokens.buffer) }],
    ['token_mask', bool(2, 3)],
    ['state', float32(2, 32)],
    ['noise', float32(2, 5, 32)],
  ]);
}

/** The command on a file of these tensors; its exit code and what it printed. */
async function sample(given: Map<string, RawTensor> | null, ...options: string[]) {
  if (given !== null) writeSafetensors(inputs, given);
  const printed = vi.spyOn(process.stderr, 'write').mockReturnValue(true);
  try {
    const words = ['--policy', SHIPPED, '--inputs', inputs, '--out', out, ...options];
    const code = await main(['debug', 'sample', ...words]);
    return { code, stderr: printed.mock.calls.map(([text]) => String(text)).join('') };
  } finally {
    printed.mockRestore();
  }
}

describe('debug sample', () => {
  test('writes the actions, normalised and padded', async () => {
    expect(await sample(tensors())).toEqual({ code: 0, stderr: '' });
    const written = readSafetensors(out);
    expect([...written.keys()]).toEqual(['actions']);
    expect(written.get('actions')).toMatchObject({ dtype: 'F32', shape: [2, 5, 32] });
    const bytes = readFileSync(out);
    await sample(null, '--num-steps', '4'); // policy.json's
    expect(readFileSync(out).equals(bytes)).toBe(true);
    await sample(null, '--num-steps', '5');
    expect(readFileSync(out).equals(bytes)).toBe(false);
  });

  test.each<[string, (given: Map<string, RawTensor>) => void, string]>([
    ['missing', (given) => given.delete('state'), "'state' is missing"],
    ['unknown', (given) => given.set('states', float32(2, 8)), "'states' is unknown"],
    ['of another shape', (given) => given.set('state', float32(2, 8)), 'state Float [2, 32]'],
    ['of another dtype', (given) => given.set('token_mask', float32(2, 3)), 'token_mask Bool'],
    ['of no whole batch', (given) => given.set('noise', float32(3, 5, 32)), 'noise Float'],
  ])('names a tensor that is %s', async (_, change, named) => {
    const given = tensors();
    change(given);
    const { code, stderr } = await sample(given);
    expect(code).toBe(2);
    expect(stderr).toContain(named);
    expect(stderr).toContain('debug sample --help');
    expect(existsSync(out)).toBe(false);
  });

  test('refuses a token that the vocabulary does not have', async () => {
    const given = tensors();
    given.get('tokens')?.data.writeBigInt64LE(259n, 16);
    const { code, stderr } = await sample(given);
    expect(code).toBe(2);
    expect(stderr).toContain('expects tokens in [0, 259), found 259');
  });

  test('refuses what is not finite, with the row', async () => {
    const given = tensors();
    given.get('noise')?.data.writeFloatLE(Number.NaN, 4 * (5 * 32 + 7));
    const { code, stderr } = await sample(given);
    expect(code).toBe(2);
    expect(stderr).toContain('not finite in rows 1; of its inputs, noise is not finite in rows 1');
    expect(existsSync(out)).toBe(false);
  });

  test('refuses a file that is cut off, or is not there', async () => {
    writeSafetensors(inputs, tensors());
    truncateSync(inputs, 1000);
    expect(await sample(null)).toMatchObject({ code: 2 });
    rmSync(inputs);
    const { code, stderr } = await sample(null);
    expect(code).toBe(2);
    expect(stderr).toContain(inputs);
  });

  test.each([
    [['--num-steps', '0'], 2, '--num-steps 0'],
    [['--out', join(folder, 'nowhere', 'out')], 3, join(folder, 'nowhere', 'out')],
    [['--policy', join(folder, 'nowhere')], 2, 'policy.json'],
    [['surprise'], 2, 'surprise'],
  ])('%j ends with %i', async (options, expected, named) => {
    const { code, stderr } = await sample(tensors(), ...options);
    expect(code).toBe(expected);
    expect(stderr).toContain(named);
  });
});

describe('a native policy', () => {
  const { contract, modelFile } = readArtefact(SHIPPED);
  const policy = NativePolicy.load(runtime, modelFile, nativeSpec(contract));
  const pixels = Uint8Array.from({ length: 2 * 64 * 64 * 3 }, (_, i) => (i * 31) % 256);
  const given = {
    images: [Tensor.from(runtime, pixels, [2, 64, 64, 3], 'uint8')],
    state: Tensor.from(runtime, uniform(16), [2, 8], 'float32'),
    tokens: Tensor.from(runtime, new BigInt64Array(12).fill(9n), [2, 6], 'int64'),
    tokenMask: Tensor.from(runtime, new Uint8Array(12).fill(1), [2, 6], 'bool'),
  };
  const noise = (rows: number) => Tensor.from(runtime, uniform(rows * 32), [rows, 32], 'float32');

  test('takes several noises for an observation', async () => {
    const many = await policy.sample(given, noise(6));
    expect(many.shape).toEqual([6, 5, 7]);
    const first = { ...given, images: given.images.map((image) => image.slice(0, 0, 1)) };
    const one = await policy.sample(
      {
        ...first,
        state: given.state.slice(0, 0, 1),
        tokens: given.tokens.slice(0, 0, 1),
        tokenMask: given.tokenMask.slice(0, 0, 1),
      },
      noise(6).slice(0, 2, 3),
    );
    const rows = many.slice(0, 2, 3).read();
    for (const [i, value] of one.read().entries()) expect(value).toBeCloseTo(rows[i] ?? NaN, 4);
  });

  test('looks away from a picture that is masked', async () => {
    const seen = await policy.sample(given, noise(2));
    const masks = Tensor.from(runtime, new Uint8Array([1, 0]), [2, 1], 'bool');
    const masked = await policy.sample({ ...given, imageMasks: masks }, noise(2));
    const dark = Tensor.from(runtime, new Uint8Array(pixels.length), [2, 64, 64, 3], 'uint8');
    const unseen = await policy.sample({ ...given, images: [dark], imageMasks: masks }, noise(2));
    const row = (tensor: Tensor<'float32'>, index: number) => [
      ...tensor.slice(0, index, index + 1).read(),
    ];
    for (const [i, value] of row(masked, 0).entries()) {
      expect(value).toBeCloseTo(row(seen, 0)[i] ?? NaN, 4);
    }
    expect(row(masked, 1)).not.toEqual(row(seen, 1));
    expect(row(unseen, 1)).toEqual(row(masked, 1));
  });

  test('takes values in place of handles, and gives values', async () => {
    const half = pixels.length / 2;
    const values = {
      images: [{ rows: [pixels.slice(0, half), pixels.slice(half)], height: 64, width: 64 }],
      state: given.state.read() as Float32Array,
      tokens: given.tokens.read() as BigInt64Array,
      tokenMask: given.tokenMask.read() as Uint8Array,
    };
    const start = uniform(2 * 5 * 32);
    const handle = Tensor.from(runtime, start, [2, 5, 32], 'float32');
    const expected = (await policy.sample(given, handle)).read();
    expect(await policy.infer(values, start)).toEqual(expected);
    expect(await policy.infer({ ...values, state: given.state }, handle)).toEqual(expected);
    const out = new Float32Array(2 * 5 * 7);
    expect(policy.inferSync(values, start, out)).toBe(out);
    expect(out).toEqual(expected);
  });

  test.each<[string, object, Float32Array, string]>([
    ['a part of a row of state', { state: new Float32Array(12) }, uniform(320), 'rows of 8'],
    ['doubles', { state: new Float64Array(16) }, uniform(320), 'that of float32'],
    ['another batch of tokens', { tokens: new BigInt64Array(6) }, uniform(320), 'tokens Long'],
    ['a part of a noise', {}, uniform(300), 'rows of 160'],
    [
      'a picture of other bytes',
      { images: [{ rows: [pixels], height: 64, width: 64 }] },
      uniform(320),
      'picture 0 has not 12288 bytes',
    ],
    [
      'a picture without a size',
      { images: [{ rows: [pixels], height: 64, width: Number.NaN }] },
      uniform(320),
      'no width',
    ],
  ])('refuses %s', async (_, change, start, named) => {
    await expect(policy.infer({ ...given, ...change }, start)).rejects.toThrow(named);
    const out = new Float32Array(70).fill(7);
    expect(() => policy.inferSync({ ...given, ...change }, start, out)).toThrow(named);
    expect(out.every((value) => value === 7)).toBe(true);
  });

  test('stops between two steps with the reason of the signal', async () => {
    const reason = new Error('enough');
    const never = await policy
      .sample(given, noise(2), 4, { signal: AbortSignal.abort(reason) })
      .catch(String);
    expect(never).toBe(String(reason));

    const controller = new AbortController();
    const long = policy.sample(given, noise(2), 1_000_000, { signal: controller.signal });
    const queued = policy.sample(given, noise(2));
    setTimeout(() => controller.abort(reason), 50);
    await expect(long).rejects.toBe(reason);
    expect((await queued).isFinite()).toBe(true); // a signal is its own call's
  });

  test('of a policy folder hands the signal on', async () => {
    const controller = new AbortController();
    const prompts = ['tidy', 'tidy'];
    const observation = { images: { main: given.images[0] as Tensor<'uint8'> }, prompts };
    const frozen = FrozenPolicy.load(runtime, SHIPPED);
    const state = given.state;
    const call = frozen.sample({ ...observation, state }, noise(2), 1000, {
      signal: controller.signal,
    });
    controller.abort(new Error('enough'));
    await expect(call).rejects.toThrow('enough');
  });
});
