import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Policy, type RobotObservation } from '../../lib/index.js';
import { editedPolicy } from '../support/policy.js';
import { findPython } from '../support/python.js';
import { type RawTensor, readSafetensors } from '../support/safetensors.js';

// Raw camera pictures, state and prompt in, a robot's actions out, as LeRobot's own processors and
// its own PI0Policy gave them (python/pi0/record_lerobot.py): everything between is ours.

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const recorded = readSafetensors(path('test/fixtures/pi0/episode.safetensors'));
const root = mkdtempSync(join(tmpdir(), 'dsrl-episode-'));
const exported = join(root, 'lerobot');
afterAll(() => rmSync(root, { recursive: true, force: true }));

function part(name: string): RawTensor {
  return recorded.get(name) as RawTensor;
}

function floats(name: string, row?: number): Float32Array {
  const { data, shape } = part(name);
  const values = Float32Array.from({ length: data.length / 4 }, (_, i) => data.readFloatLE(4 * i));
  const width = values.length / (shape[0] as number);
  return row === undefined ? values : values.slice(row * width, (row + 1) * width);
}

function picture(camera: string, row: number) {
  const { data, shape } = part(camera);
  const [, height, width] = shape as [number, number, number];
  const size = height * width * 3;
  return { data: data.subarray(row * size, (row + 1) * size), height, width };
}

function observation(row: number): RobotObservation {
  const images = { main: picture('main', row), wrist: picture('wrist', row) };
  return { images, state: floats('state', row), prompt: `prompt ${row}` };
}

beforeAll(() => {
  const checkpoint = path('test/fixtures/pi0/lerobot');
  const words = ['-m', 'pi0.export', '--checkpoint', checkpoint, '--out', exported];
  const cwd = path('python');
  const { status, stderr } = spawnSync(findPython(), words, { cwd, encoding: 'utf8' });
  expect(status, stderr).toBe(0);
  // The ids that LeRobot's tokenizer gave stand in the folder as known prompts.
  const file = join(exported, 'policy.json');
  const json = JSON.parse(readFileSync(file, 'utf8'));
  const { data, shape } = part('tokens');
  const [rows, width] = shape as [number, number];
  const mask = part('token_mask').data;
  for (let row = 0; row < rows; row++) {
    const ids = Array.from({ length: width }, (_, i) =>
      Number(data.readBigInt64LE(8 * (row * width + i))),
    );
    json.prompts[`prompt ${row}`] = ids;
    const real = mask.subarray(row * width, (row + 1) * width);
    json.prompt_lengths[`prompt ${row}`] = real.lastIndexOf(1) + 1;
  }
  writeFileSync(file, JSON.stringify(json));
});

/** The largest difference from the recorded actions, over both observations. */
async function difference(folder: string): Promise<number> {
  using policy = await Policy.load(folder, { device: 'cpu' });
  const noise = [floats('noise', 0), floats('noise', 1)];
  const observations = [observation(0), observation(1)];
  const chunks = await policy.inferBatch(observations, { noise, numSteps: 4 });
  const expected = floats('actions');
  const found = chunks.flatMap(({ actions }) => Array.from(actions));
  expect(found).toHaveLength(expected.length);
  return Math.max(...found.map((value, index) => Math.abs(value - (expected[index] as number))));
}

test("a robot's loop gets LeRobot's actions", async () => {
  expect(await difference(exported)).toBeLessThan(2e-6);
});

test.each<[string, (json: Record<string, unknown>) => void]>([
  ['another resizing', (json) => Object.assign(json, { image_resize: 'openpi' })],
  ['the cameras in the other order', (json) => Object.assign(json, { cameras: ['wrist', 'main'] })],
  [
    'deltas',
    (json) =>
      Object.assign(json, { delta_action_mask: [true, true, true, true, true, true, false] }),
  ],
  [
    'a larger eps',
    (json) => {
      json.normalization = Object.assign({}, json.normalization, { eps: 1e-4 });
    },
  ],
])('and not with %s', async (_, edit) => {
  expect(await difference(editedPolicy(edit, exported))).toBeGreaterThan(2e-5);
});
