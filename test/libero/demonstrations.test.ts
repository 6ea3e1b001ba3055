import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { createRuntime, readTensors } from '../../lib/native/index.js';
import { whyNoLibero } from '../support/libero.js';

const reason = whyNoLibero();
const runtime = createRuntime({ device: 'cpu' });
const program = fileURLToPath(new URL('../../bin/dsrl-native.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'dsrl-demonstrations-'));
afterAll(() => rmSync(folder, { recursive: true }));

const HORIZON = 4;
const EVERY = 4;

describe.skipIf(reason)(`debug demonstrations${reason ? ` (${reason})` : ''}`, () => {
  it('records frames whose actions move the hand as the states say', () => {
    const words = ['--tasks', '2', '--episodes', '2', '--target', '1', '--gl', 'osmesa'];
    const sizes = ['--horizon', `${HORIZON}`, '--every', `${EVERY}`, '--out', folder];
    const command = ['debug', 'demonstrations', ...words, ...sizes];
    const { status, stdout } = spawnSync(process.execPath, [program, ...command], {
      encoding: 'utf8',
    });
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ begun: 2, kept: { target: 2, other: 0 } });
    const summary = JSON.parse(readFileSync(join(folder, 'demonstrations.json'), 'utf8'));
    expect(summary.prompts['2']).toMatch(/^pick up the black bowl from table center/);
    const [shard] = summary.shards;
    const tensors = readTensors(runtime, join(folder, shard.file));
    const shape = (name: string) => tensors.get(name)?.shape;
    const frames = shard.frames;
    expect(frames).toBeGreaterThan(10);
    expect(shape('main')).toEqual([frames, 64, 64, 3]);
    expect(shape('wrist')).toEqual([frames, 64, 64, 3]);
    expect(shape('state')).toEqual([frames, 8]);
    expect(shape('actions')).toEqual([frames, HORIZON, 7]);
    const numbers = (name: string) => Array.from(tensors.get(name)?.read() ?? [], Number);
    const [steps, episodes, states] = [numbers('step'), numbers('episode'), numbers('state')];
    const actions = numbers('actions');
    // The target begins where this task has it, ends where the plate is, and is carried in between.
    const objects = numbers('objects');
    expect(shape('objects')).toEqual([frames, 3, 3]);
    const apart = (row: number) =>
      Math.hypot(
        ...[0, 1].map(
          (axis) => (objects[row * 9 + axis] ?? 0) - (objects[row * 9 + 6 + axis] ?? 0),
        ),
      );
    expect(apart(0)).toBeGreaterThan(0.1);
    expect(apart(frames - 1)).toBeLessThan(0.03);
    const heights = Array.from({ length: frames }, (_, row) => objects[row * 9 + 2] ?? 0);
    expect(Math.max(...heights) - (heights[0] ?? 0)).toBeGreaterThan(0.05);
    expect(new Set(numbers('errand'))).toEqual(new Set([0]));
    // A frame's actions are those that led to the next frame: both point the same way.
    let [together, pairs] = [0, 0];
    for (let row = 0; row + 1 < frames; row++) {
      const next =
        episodes[row + 1] === episodes[row] && steps[row + 1] === (steps[row] ?? 0) + EVERY;
      if (!next) continue;
      let along = 0;
      for (let axis = 0; axis < 3; axis++) {
        const moved = (states[(row + 1) * 8 + axis] ?? 0) - (states[row * 8 + axis] ?? 0);
        for (let i = 0; i < HORIZON; i++) {
          along += moved * (actions[(row * HORIZON + i) * 7 + axis] ?? 0);
        }
      }
      pairs++;
      if (along > 0) together++;
    }
    expect(pairs).toBeGreaterThan(5);
    expect(together / pairs).toBeGreaterThan(0.8);
    // It is recorded until the bowl is let go: the fingers that held its rim open.
    const last = (states[frames * 8 - 2] ?? 0) - (states[frames * 8 - 1] ?? 0);
    expect(last).toBeGreaterThan(0.02);
    const pictures = tensors.get('main')?.read() ?? [];
    expect(new Set(Array.from(pictures, Number)).size).toBeGreaterThan(50);
  });
});
