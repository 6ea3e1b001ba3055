import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { objectPlaces } from '../../lib/cli/demonstration-scenes.js';
import { createRuntime, LiberoBackend, readTensors } from '../../lib/native/index.js';
import { whyNoLibero } from '../support/libero.js';

const reason = whyNoLibero();
const runtime = createRuntime({ device: 'cpu' });
const program = fileURLToPath(new URL('../../bin/dsrl-native.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'dsrl-demonstrations-'));
afterAll(() => rmSync(folder, { recursive: true }));

const HORIZON = 4;
const EVERY = 4;

/** Where LIBERO's own initial states of a task have both bowls and the plate: [trial][3 * 3]. */
function initialPlaces(task: number, unevaluatedStates: boolean): number[][] {
  const backend = new LiberoBackend(runtime, { numEnvs: 1, cameras: [], unevaluatedStates });
  return Array.from({ length: backend.numTrials }, (_, trial) => {
    backend.restore(0, task, trial);
    return [...(objectPlaces(backend)[0] ?? [])];
  });
}

describe.skipIf(reason)(`debug demonstrations${reason ? ` (${reason})` : ''}`, () => {
  it('records both bowls, from states that are not evaluated, where nothing went astray', () => {
    // Three of these four draws are below .75.
    const words = ['--tasks', '2', '--episodes', '4', '--target', '.75', '--seed', '4'];
    const sizes = ['--horizon', `${HORIZON}`, '--every', `${EVERY}`, '--out', folder];
    const command = ['debug', 'demonstrations', ...words, ...sizes, '--gl', 'osmesa'];
    const { status, stdout } = spawnSync(process.execPath, [program, ...command], {
      encoding: 'utf8',
    });
    expect(status).toBe(0);
    const { begun, kept } = JSON.parse(stdout);
    expect(begun).toBe(4);
    expect(kept.target).toBeGreaterThan(1);
    expect(kept.other).toBe(1);
    const summary = JSON.parse(readFileSync(join(folder, 'demonstrations.json'), 'utf8'));
    expect(summary.prompts['2']).toMatch(/^pick up the black bowl from table center/);
    const [shard] = summary.shards;
    const tensors = readTensors(runtime, join(folder, shard.file));
    const shape = (name: string) => tensors.get(name)?.shape;
    const frames = shard.frames;
    expect(frames).toBeGreaterThan(20);
    expect(shape('main')).toEqual([frames, 64, 64, 3]);
    expect(shape('wrist')).toEqual([frames, 64, 64, 3]);
    expect(shape('state')).toEqual([frames, 8]);
    expect(shape('actions')).toEqual([frames, HORIZON, 7]);
    const numbers = (name: string) => Array.from(tensors.get(name)?.read() ?? [], Number);
    const [steps, episodes, states] = [numbers('step'), numbers('episode'), numbers('state')];
    const [errands, trials, actions] = [numbers('errand'), numbers('trial'), numbers('actions')];
    const rowsOf = [...new Set(episodes)].map((episode) =>
      [...episodes.keys()].filter((row) => episodes[row] === episode),
    );

    // Each of an episode's bowls begins off the plate, is carried there, and the other one is not.
    const objects = numbers('objects');
    expect(shape('objects')).toEqual([frames, 3, 3]);
    const apart = (row: number, bowl: number) => {
      const at = (object: number, axis: number) => objects[row * 9 + object * 3 + axis] ?? 0;
      return Math.hypot(at(bowl, 0) - at(2, 0), at(bowl, 1) - at(2, 1));
    };
    const fetched = { target: 0, other: 0 };
    for (const rows of rowsOf) {
      const [first = 0, last = 0] = [rows[0], rows.at(-1)];
      const bowl = errands[first] ?? 0;
      fetched[bowl === 0 ? 'target' : 'other']++;
      expect(rows.every((row) => errands[row] === bowl)).toBe(true);
      expect(apart(first, bowl)).toBeGreaterThan(0.1);
      expect(apart(last, bowl)).toBeLessThan(0.03);
      expect(apart(last, 1 - bowl)).toBeGreaterThan(0.05);
      const heights = rows.map((row) => objects[row * 9 + bowl * 3 + 2] ?? 0);
      expect(Math.max(...heights) - Math.min(...heights)).toBeGreaterThan(0.05);
    }
    expect(fetched).toEqual(kept);
    // It is recorded until the bowl is let go: the fingers that held its rim open. The very last
    // frames of an episode may be among those that went astray.
    const opening = (row: number) => (states[row * 8 + 6] ?? 0) - (states[row * 8 + 7] ?? 0);
    expect(Math.max(...rowsOf.map((rows) => opening(rows.at(-1) ?? 0)))).toBeGreaterThan(0.02);

    // The scene is the state not evaluated that `trial` says, its bowls moved as one, its plate
    // alone; and none of the evaluated ones, which would have its bowls as far from each other.
    const placed = numbers('placed');
    const [own, evaluated] = [initialPlaces(2, true), initialPlaces(2, false)];
    const between = (places: readonly number[], axis: number) =>
      (places[axis] ?? 0) - (places[axis + 3] ?? 0);
    const differs = (a: readonly number[], b: readonly number[]) =>
      Math.hypot(between(a, 0) - between(b, 0), between(a, 1) - between(b, 1));
    for (const [row = 0] of rowsOf) {
      const scene = placed.slice(row * 9, row * 9 + 9);
      const state = own[trials[row] ?? -1] ?? [];
      expect(differs(scene, state)).toBeLessThan(1e-6);
      expect(Math.min(...evaluated.map((it) => differs(scene, it)))).toBeGreaterThan(1e-5);
      for (const axis of [0, 1, 6, 7]) {
        expect(Math.abs((scene[axis] ?? 0) - (state[axis] ?? 0))).toBeLessThan(0.0151);
      }
    }

    // A hand that was led astray did otherwise than the expert; of those frames none is here.
    expect(rowsOf.some((rows) => gaps(rows, steps) > 0)).toBe(true);
    expect(actions).toEqual(numbers('expert'));

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
    const pictures = tensors.get('main')?.read() ?? [];
    expect(new Set(Array.from(pictures, Number)).size).toBeGreaterThan(50);
  });

  it('leaves no summary of an older recording over its own files when it is stopped', async () => {
    const used = join(folder, 'used');
    const summary = join(used, 'demonstrations.json');
    mkdirSync(used);
    writeFileSync(summary, '{}');
    const words = ['--tasks', '2', '--episodes', '1', '--gl', 'osmesa', '--out', used];
    const command = [program, 'debug', 'demonstrations', ...words];
    const child = spawn(process.execPath, command, { stdio: 'ignore' });
    const closed = once(child, 'close');
    while (existsSync(summary) && child.exitCode === null) await setTimeout(20);
    expect(child.exitCode).toBeNull();
    child.kill('SIGKILL');
    await closed;
    expect(existsSync(summary)).toBe(false);
  });
});

/** Frames that are missing between an episode's first and last. */
function gaps(rows: readonly number[], steps: readonly number[]): number {
  const [first = 0, last = 0] = [rows[0], rows.at(-1)].map((row) => steps[row ?? 0]);
  return (last - first) / EVERY + 1 - rows.length;
}
