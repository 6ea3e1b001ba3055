import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { type RawTensor, readSafetensors, writeSafetensors } from '../support/safetensors.js';

// `debug replay-env` on tabletop, against what python/tabletop, a numpy implementation by another
// author, has recorded. On LIBERO: original.test.ts.

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'dsrl-replay-env-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Trace {
  seed: number;
  task: number;
  trial: number;
  initial: number[];
  steps: { action: number[]; qpos: number[]; observation: number[]; success: boolean }[];
}
const traces = JSON.parse(
  readFileSync(join(root, 'test', 'fixtures', 'tabletop', 'trace.json'), 'utf8'),
).random as Trace[];

function f64(values: number[], shape: number[]): RawTensor {
  return { dtype: 'F64', shape, data: Buffer.from(Float64Array.from(values).buffer) };
}

/** The recorded implementation took float32 actions. */
function actionsOf(trace: Trace): RawTensor {
  const values = trace.steps.flatMap(({ action }) => action.map(Math.fround));
  return f64(values, [trace.steps.length, 7]);
}

let files = 0;
function write(tensors: Record<string, RawTensor>): string {
  const file = join(folder, `in-${files++}.safetensors`);
  writeSafetensors(file, new Map(Object.entries(tensors)));
  return file;
}

function run(...words: string[]) {
  const out = join(folder, `out-${files++}.safetensors`);
  const program = join(root, 'bin', 'dsrl-native.js');
  const command = ['debug', 'replay-env', ...words, '--out', out];
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...command], {
    encoding: 'utf8',
  });
  return { status, stdout, stderr, out };
}

const doubles = (tensor: RawTensor | undefined): number[] => {
  const bytes = Uint8Array.from(tensor?.data ?? []);
  return [...new Float64Array(bytes.buffer)];
};

describe('debug replay-env on tabletop', () => {
  it('writes every row as it was recorded, and goes on after success', () => {
    const trace = traces.find(({ seed }) => seed !== 0) as Trace;
    const { task, trial, seed, initial, steps } = trace;
    const scene = ['--env', 'tabletop', '--task', `${task}`, '--trial', `${trial}`];
    const result = run(
      ...scene,
      '--seed',
      `${seed}`,
      '--actions',
      write({ actions: actionsOf(trace) }),
    );
    expect(result).toMatchObject({ status: 0, stdout: '', stderr: '' });
    const written = readSafetensors(result.out);
    expect([...written.keys()].sort()).toEqual(['qpos', 'reward', 'state', 'success']);
    expect(written.get('qpos')?.shape).toEqual([steps.length + 1, 16]);
    expect(doubles(written.get('qpos'))).toEqual(
      [initial, ...steps.map(({ qpos }) => qpos)].flat(),
    );
    const success = steps.map((step) => Number(step.success));
    expect([...(written.get('success')?.data ?? [])]).toEqual(success);
    expect(doubles(written.get('reward'))).toEqual(success);
    const state = doubles(written.get('state'));
    expect(state.slice(8).map(Math.fround)).toEqual(
      steps.flatMap(({ observation }) => observation.map(Math.fround)),
    );
  });

  it('writes the pictures of the listed steps, upright, of any size', () => {
    const [trace] = traces as [Trace];
    const scene = ['--env', 'tabletop', '--task', `${trace.task}`, '--trial', `${trace.trial}`];
    const given = ['--seed', `${trace.seed}`, '--actions', write({ actions: actionsOf(trace) })];
    const { status, out } = run(...scene, ...given, '--pictures', '0,3', '--picture-size', '64');
    expect(status).toBe(0);
    const written = readSafetensors(out);
    for (const step of [0, 3]) {
      const picture = written.get(`agentview_${step}`);
      expect(picture).toMatchObject({ dtype: 'U8', shape: [64, 64, 3] });
      // The plate's middle is where the state says: y grows downwards in the picture.
      const [x = 0, y = 0] = doubles(written.get('qpos')).slice(16 * step + 14, 16 * step + 16);
      const at = 3 * (64 * Math.floor(y * 64) + Math.floor(x * 64));
      expect([...(picture?.data.subarray(at, at + 3) ?? [])]).toEqual([225, 225, 230]);
    }
    expect(written.has('agentview_1')).toBe(false);
  });

  // What a point of the table shows does not depend on which camera looks at it, nor on the size.
  it('writes the wrist pictures: a quarter of the side around the gripper', () => {
    const [trace] = traces as [Trace];
    const scene = ['--env', 'tabletop', '--task', `${trace.task}`, '--trial', `${trace.trial}`];
    const given = ['--seed', `${trace.seed}`, '--actions', write({ actions: actionsOf(trace) })];
    const steps = [0, 9, 20];
    const shown = [...scene, ...given, '--pictures', steps.join(','), '--picture-size'];
    const fine = readSafetensors(run(...shown, '1024').out);
    const written = readSafetensors(run(...shown, '64').out);
    for (const step of steps) {
      const wrist = written.get(`wrist_${step}`);
      expect(wrist).toMatchObject({ dtype: 'U8', shape: [64, 64, 3] });
      const [x = 0, y = 0] = doubles(written.get('qpos')).slice(16 * step, 16 * step + 2);
      const table = fine.get(`agentview_${step}`)?.data ?? Buffer.alloc(0);
      let different = 0;
      for (let row = 0; row < 64; row++) {
        for (let column = 0; column < 64; column++) {
          const right = Math.floor((x - 0.125 + (0.25 * (column + 0.5)) / 64) * 1024);
          const down = Math.floor((y - 0.125 + (0.25 * (row + 0.5)) / 64) * 1024);
          if (Math.min(right, down) < 0 || Math.max(right, down) > 1023) continue;
          const [at, there] = [3 * (64 * row + column), 3 * (1024 * down + right)];
          const pixel = wrist?.data.subarray(at, at + 3) ?? Buffer.alloc(0);
          if (!pixel.equals(table.subarray(there, there + 3))) different += 1;
        }
      }
      expect(different, `step ${step}`).toBeLessThan(120); // of 4096: borders, half a fine pixel
    }
  });

  const actions = f64(Array(21).fill(0.5), [3, 7]);
  const pose = f64([0, 0, 0, 1, 0, 0, 0], [7]);
  const broken = f64([...Array(20).fill(0), Number.NaN], [3, 7]);
  const float32 = { dtype: 'F32', shape: [3, 7], data: Buffer.alloc(84) };
  it.each([
    ['a missing tensor', { motions: actions }, "no tensor 'actions'"],
    ['a wrong width', { actions: f64(Array(18).fill(0), [3, 6]) }, 'actions must be F64 [T, 7]'],
    ['a wrong dtype', { actions: float32 }, 'actions must be F64 [T, 7], and is float32 [3, 7]'],
    ['a flat list', { actions: f64(Array(21).fill(0), [21]) }, 'actions must be F64 [T, 7]'],
    ['fixtures', { actions, stove_pose: pose }, 'stove_pose: tabletop has no fixtures'],
    ['a misshapen pose', { actions, cabinet_pose: f64([1], [1]) }, 'cabinet_pose must be F64 [7]'],
    ['a number that is none', { actions: broken }, 'action 6 of step 0 of environment 0'],
  ])('refuses %s, by name', (_, tensors, message) => {
    const scene = ['--env', 'tabletop', '--task', '0', '--trial', '0'];
    const result = run(...scene, '--actions', write(tensors as Record<string, RawTensor>));
    expect(result.stderr).toContain(message);
    expect(result.status).toBe(2);
    expect(existsSync(result.out)).toBe(false);
  });

  it.each([
    [['--env', 'kitchen', '--task', '0', '--trial', '0'], '--env kitchen: one of libero_spatial'],
    [['--env', 'tabletop', '--task', '4', '--trial', '0'], 'task 4 is outside [0, 4)'],
    [['--env', 'tabletop', '--task', '0', '--trial', 'x'], '--trial x: a whole number'],
    [['--env', 'tabletop', '--task', '0', '--trial', '0', '--pictures', '4'], '--pictures 4'],
    [['--env', 'tabletop', '--task', '0', '--trial', '0', '--picture-size', '4'], '[8, 1024]'],
    [['--env', 'tabletop', '--trial', '0'], '--task is missing'],
  ])('refuses %j', (words, message) => {
    const result = run(...words, '--actions', write({ actions }));
    expect(result.stderr).toContain(message);
    expect(result.status).toBe(2);
  });

  it('refuses a file that is not there or damaged', () => {
    const scene = ['--env', 'tabletop', '--task', '0', '--trial', '0'];
    const missing = run(...scene, '--actions', join(folder, 'nowhere'));
    expect(missing).toMatchObject({ status: 2, stderr: expect.stringContaining('nowhere') });
    const damaged = run(...scene, '--actions', fileURLToPath(import.meta.url));
    expect(damaged).toMatchObject({ status: 2, stderr: expect.stringContaining('replay_env') });
  });

  it('says where it cannot write', () => {
    const program = join(root, 'bin', 'dsrl-native.js');
    const scene = ['--env', 'tabletop', '--task', '0', '--trial', '0'];
    const words = [...scene, '--actions', write({ actions }), '--out', '/nowhere/out'];
    const result = spawnSync(process.execPath, [program, 'debug', 'replay-env', ...words], {
      encoding: 'utf8',
    });
    expect(result).toMatchObject({ status: 3, stderr: expect.stringContaining('/nowhere/out') });
  });
});
