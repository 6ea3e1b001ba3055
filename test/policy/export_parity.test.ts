import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { createRuntime, FrozenPolicy } from '../../lib/index.js';
import { crc32c } from '../../lib/log/crc32c.js';
import { findPython } from '../support/python.js';
import { readSafetensors, writeSafetensors } from '../support/safetensors.js';

/** Of the largest action. The smallest classic mistake costs 1e-5 (python/pi0/test_export.py). */
const TOLERANCE = 5e-6;
const CASES = [0, 1, 2, 3, 4, 5];
const STEPS = [1, 4, 10];

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const program = path('bin/dsrl-native.js');
const fixtures = path('test/fixtures/pi0');
const folder = mkdtempSync(join(tmpdir(), 'dsrl-parity-'));
const runtime = createRuntime({ device: 'cpu' });
afterAll(() => rmSync(folder, { recursive: true }));

function command(...argv: string[]): void {
  const { status, stderr } = spawnSync(process.execPath, [program, ...argv], { encoding: 'utf8' });
  expect({ status }, stderr).toEqual({ status: 0 });
}

/** A folder that the real command exported; the same one when asked again. */
function exported(checkpoint: string, ...options: string[]): string {
  const out = join(folder, [checkpoint, ...options].join('-'));
  if (existsSync(out)) return out;
  const source = ['--checkpoint', join(fixtures, checkpoint), '--out', out];
  command('export', 'pi0', '--python', findPython(), ...source, ...options);
  return out;
}

/** A tensor's bytes, in memory of their own. */
function bytes(file: string, name: string): Uint8Array<ArrayBuffer> {
  const found = readSafetensors(file).get(name);
  if (found === undefined) throw new Error(`${file} has no ${name}`);
  return new Uint8Array(found.data);
}

const tensor = (file: string, name: string) => new Float32Array(bytes(file, name).buffer);

function relative(found: Float32Array, expected: Float32Array): number {
  expect(found.length).toBe(expected.length);
  let difference = 0;
  let largest = 0;
  for (let i = 0; i < found.length; i++) {
    difference = Math.max(difference, Math.abs((found[i] ?? NaN) - (expected[i] ?? NaN)));
    largest = Math.max(largest, Math.abs(expected[i] ?? NaN));
  }
  return difference / largest;
}

const inputs = (number: number) => join(fixtures, 'cases', `${number}.inputs.safetensors`);
const recorded = (number: number, name: string) =>
  tensor(join(fixtures, 'cases', `${number}.actions.safetensors`), name);

/** The largest difference, over all cases and steps, of C++ from the recorded actions. */
async function worst(policy: FrozenPolicy, kind: string): Promise<number> {
  const out = join(folder, 'actions.safetensors');
  const errors: number[] = [];
  for (const number of CASES) {
    for (const steps of STEPS) {
      await policy.sampleFile(inputs(number), out, steps);
      errors.push(relative(tensor(out, 'actions'), recorded(number, `${kind}.${steps}`)));
    }
  }
  return Math.max(...errors);
}

// What LeRobot's class computed with the weights of the same folder, or with openpi's flow time.
test.each([
  { checkpoint: 'lerobot', kind: 'lerobot', other: 'openpi', options: [] },
  { checkpoint: 'lerobot', kind: 'lerobot', other: 'openpi', options: ['--attn', 'eager'] },
  { checkpoint: 'lerobot', kind: 'rope_bf16', other: 'lerobot', options: ['--rope', 'bf16'] },
  { checkpoint: 'openpi', kind: 'openpi', other: 'lerobot', options: [] },
])('$checkpoint $options gives the recorded actions', async ({ checkpoint, ...wanted }) => {
  const policy = FrozenPolicy.load(runtime, exported(checkpoint, ...wanted.options));
  expect(await worst(policy, wanted.kind)).toBeLessThan(TOLERANCE);
  expect(await worst(policy, wanted.other)).toBeGreaterThan(TOLERANCE);
});

test('the checksums of the loaded parameters are those of the bytes of the checkpoint', async () => {
  const policy = FrozenPolicy.load(runtime, exported('openpi'));
  const checksums = await policy.parameterChecksums();
  const stored = [...readSafetensors(join(fixtures, 'openpi', 'model.safetensors'))];
  const expected = new Set(stored.map(([, { data }]) => crc32c(data)));
  // Every tensor that openpi stores and we keep as it is; and a parameter that moved would show.
  const known = Object.values(checksums).filter((checksum) => expected.has(checksum));
  expect(known.length / Object.keys(checksums).length).toBeGreaterThan(0.9);
  const weight = readSafetensors(join(fixtures, 'openpi', 'model.safetensors')).get(
    'state_proj.weight',
  );
  expect(checksums['state_proj.weight']).toBe(crc32c(weight?.data ?? new Uint8Array()));
});

test('a parameter that moved shows under its name, and no other does', async () => {
  const checkpoint = mkdtempSync(join(folder, 'moved-'));
  cpSync(join(fixtures, 'openpi'), checkpoint, { recursive: true });
  const file = join(checkpoint, 'model.safetensors');
  const tensors = readSafetensors(file);
  const weight = tensors.get('state_proj.weight');
  if (weight === undefined) throw new Error(`${file} has no state_proj.weight`);
  const data = Buffer.from(weight.data);
  data.writeFloatLE(data.readFloatLE(0) + 1e-6, 0);
  writeSafetensors(file, new Map([...tensors, ['state_proj.weight', { ...weight, data }]]));
  const out = join(folder, 'moved');
  command('export', 'pi0', '--python', findPython(), '--checkpoint', checkpoint, '--out', out);

  const before = await FrozenPolicy.load(runtime, exported('openpi')).parameterChecksums();
  const after = await FrozenPolicy.load(runtime, out).parameterChecksums();
  const moved = Object.keys(before).filter((name) => before[name] !== after[name]);
  expect(moved).toEqual(['state_proj.weight']);
});

test('bfloat16 stays near them', async () => {
  const policy = FrozenPolicy.load(runtime, exported('openpi', '--dtype', 'bf16'));
  const error = await worst(policy, 'openpi');
  expect(error).toBeLessThan(5e-2);
  expect(error).toBeGreaterThan(TOLERANCE);
});

test('debug sample writes the same', () => {
  const out = join(folder, 'sampled.safetensors');
  const policy = exported('lerobot');
  const words = ['--policy', policy, '--inputs', inputs(5), '--out', out, '--num-steps', '4'];
  command('debug', 'sample', ...words);
  expect(relative(tensor(out, 'actions'), recorded(5, 'lerobot.4'))).toBeLessThan(TOLERANCE);
});
