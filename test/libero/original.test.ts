import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import {
  createRuntime,
  LiberoBackend,
  readTensors,
  Tensor,
  writeTensors,
} from '../../lib/native/index.js';
import { whyNoLibero } from '../support/libero.js';
import { findPython } from '../support/python.js';

// What the original did is in test/fixtures/libero; python/libero/record_*.py recorded it.

const reason = whyNoLibero();
const root = fileURLToPath(new URL('../..', import.meta.url));
const fixture = (name: string) => join(root, 'test', 'fixtures', 'libero', `${name}.safetensors`);
const folder = mkdtempSync(join(tmpdir(), 'dsrl-libero-'));
afterAll(() => rmSync(folder, { recursive: true }));

const TASKS = 10;
const TRACE_STEPS = 75;
const NO_OPS = 15;
const NO_OP = [0, 0, 0, 0, 0, 0, -1];
/** Tasks and trials of replays.safetensors; its fixtures stand as for the seed of the task. */
const [EPISODE_TASKS, EPISODE_TRIALS] = [
  [0, 1, 2, 3, 7],
  [0, 1, 2, 3, 4],
];

describe.skipIf(reason)(`LIBERO against the original${reason ? ` (${reason})` : ''}`, () => {
  const runtime = createRuntime({ device: 'cpu' });
  /** Environment e of ten has the fixtures of seed e: those that the traces of task e have. */
  const backend = reason
    ? (null as unknown as LiberoBackend)
    : new LiberoBackend(runtime, {
        numEnvs: TASKS,
        cameras: ['main', 'wrist'],
        imageSize: 64,
        gl: 'osmesa',
        threads: 1,
      });

  /** Runs one row of actions a step in every environment. `pictures` are wanted after these. */
  async function replay(actions: Float64Array[], pictures: readonly number[] = []) {
    const steps = Math.max(...actions.map((rows) => rows.length / 7));
    const rows = actions.map(() => ({ qpos: [], qvel: [], state: [] }) as Record<string, number[]>);
    const success = actions.map(() => [] as number[]);
    const drawn = actions.map(() => new Map<string, Tensor>());
    const keep = () => {
      for (const [env, row] of rows.entries()) {
        for (const [name, values] of Object.entries(backend.interior(env))) {
          row[name]?.push(...values);
        }
      }
    };
    keep();
    for (let step = 1; step <= steps; step++) {
      const wanted = pictures.includes(step);
      const row = Float64Array.from(
        actions.flatMap((all) => [...all.subarray(7 * (step - 1), 7 * step), ...NO_OP].slice(0, 7)),
      );
      const limit = Int32Array.from(actions, (all) => (step <= all.length / 7 ? 1 : 0));
      const tensor = Tensor.from(runtime, row, [TASKS, 1, 7]);
      const result = await backend.stepChunk(tensor, limit, { pictures: wanted });
      expect([...result.failure]).toEqual(actions.map(() => 0));
      for (const [env, flags] of success.entries()) flags.push(result.success[env] as number);
      keep();
      if (wanted) for (const [env, all] of drawn.entries()) keepPictures(result, env, step, all);
    }
    return { rows, success, drawn };
  }

  function keepPictures(
    { observation }: Awaited<ReturnType<LiberoBackend['stepChunk']>>,
    env: number,
    step: number,
    into: Map<string, Tensor>,
  ): void {
    for (const [camera, name] of [
      ['main', 'agentview'],
      ['wrist', 'wrist'],
    ] as const) {
      const all = observation.images[camera] as Tensor<'uint8'>;
      const picture = all.slice(0, env, env + 1).read();
      into.set(`${name}_${step}`, Tensor.from(runtime, upsideDown(picture), [64, 64, 3]));
    }
  }

  /** Upright, as backends show them, to MuJoCo's own order: turned by 180 degrees. */
  function upsideDown(pixels: Uint8Array): Uint8Array {
    return pixels.map((_, at) => pixels[pixels.length - 3 - at + 2 * (at % 3)] as number);
  }

  function write(name: string, tensors: Record<string, Tensor>): string {
    const file = join(folder, name);
    writeTensors(runtime, file, new Map(Object.entries(tensors)));
    return file;
  }

  function compare(...words: string[]) {
    const script = join(root, 'python', 'libero', 'compare_replay.py');
    const { stdout, stderr } = spawnSync(findPython(), [script, ...words], { encoding: 'utf8' });
    expect(stderr).toBe('');
    return stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown> & { failures: string[] });
  }

  const matrix = (values: number[], width: number) =>
    Tensor.from(runtime, Float64Array.from(values), [values.length / width, width]);
  const flags = (values: number[]) =>
    Tensor.from(runtime, Uint8Array.from(values), [values.length]);

  test('15 no-ops and 60 random steps of all ten tasks: motion, success and pictures', async () => {
    const traces = Array.from({ length: TASKS }, (_, task) =>
      readTensors(runtime, fixture(`libero_spatial-${task}`)),
    );
    for (const task of traces.keys()) backend.restore(task, task, (7 * task) % 50);
    const actions = traces.map((trace) => trace.get('actions')?.read() as Float64Array);
    const { rows, success, drawn } = await replay(actions, [NO_OPS, TRACE_STEPS]);
    const pairs = traces.flatMap((_, task) => {
      const { qpos = [], qvel = [], state = [] } = rows[task] as Record<string, number[]>;
      const reward = Float64Array.from(success[task] as number[]);
      const file = write(`trace-${task}`, {
        qpos: matrix(qpos, 48),
        qvel: matrix(qvel, 43),
        state: matrix(state, 8),
        success: flags(success[task] as number[]),
        reward: Tensor.from(runtime, reward, [reward.length]),
        // Task 0 was drawn at 256 x 256: the command below draws it.
        ...(task === 0 ? {} : Object.fromEntries(drawn[task] as Map<string, Tensor>)),
      });
      return [fixture(`libero_spatial-${task}`), file];
    });
    const figures = compare(...pairs);
    expect(figures).toHaveLength(TASKS);
    for (const [task, { failures }] of figures.entries()) {
      expect({ task, failures, ...figures[task] }).toMatchObject({ task, failures: [] });
    }
    expect(figures[4]).toHaveProperty('agentview_75.most');
  });

  test('episodes that succeed in the original succeed at the same step', async () => {
    const recorded = readTensors(runtime, fixture('replays'));
    const nothing = new Float64Array(0);
    const [keys, words] = [[] as string[], [] as string[]];
    for (const trial of EPISODE_TRIALS) {
      const actions = Array.from({ length: TASKS }, (_, task) => {
        if (!EPISODE_TASKS.includes(task)) return nothing;
        backend.restore(task, task, trial);
        return Float64Array.from(recorded.get(`${task}-${trial}/actions`)?.read() as Float32Array);
      });
      const { rows, success } = await replay(actions);
      for (const task of EPISODE_TASKS) {
        const steps = (actions[task] as Float64Array).length / 7;
        const key = `${task}-${trial}`;
        const file = write(`episode-${key}`, {
          qpos: matrix(rows[task]?.qpos?.slice(0, 48 * (steps + 1)) ?? [], 48),
          success: flags(success[task]?.slice(0, steps) ?? []),
        });
        keys.push(key);
        words.push('--episode', key, fixture('replays'), file);
      }
    }
    const figures = compare(...words);
    expect(figures).toHaveLength(25);
    for (const [at, key] of keys.entries()) {
      expect({ key, ...figures[at] }).toMatchObject({ key, failures: [] });
    }
  });

  test('the bowl of task 5 settles upright on the ramekin in all 50 trials', async () => {
    const tilts: number[] = [];
    for (let first = 0; first < 50; first += TASKS) {
      for (let env = 0; env < TASKS; env++) backend.restore(env, 5, first + env);
      const settle = Float64Array.from(Array.from({ length: NO_OPS }, () => NO_OP).flat());
      await replay(Array.from({ length: TASKS }, () => settle));
      for (let env = 0; env < TASKS; env++) {
        // The first free body: position 3, then its rotation as wxyz.
        const [x = 0, y = 0] = backend.interior(env).qpos.subarray(9 + 4, 9 + 6);
        tilts.push((Math.acos(1 - 2 * (x * x + y * y)) * 180) / Math.PI);
      }
    }
    expect(tilts).toHaveLength(50);
    expect(Math.max(...tilts)).toBeLessThan(20);
    expect(Math.min(...tilts)).toBeGreaterThan(10); // it has settled: the states are stored upright
  });

  test('`debug replay-env` writes it, with pictures of 256 x 256', () => {
    const trace = readTensors(runtime, fixture('libero_spatial-0'));
    const names = ['actions', 'cabinet_pose', 'stove_pose'];
    const given = write(
      'given',
      Object.fromEntries(names.map((name) => [name, trace.get(name) as Tensor])),
    );
    const out = join(folder, 'out');
    const program = join(root, 'bin', 'dsrl-native.js');
    const scene = ['--env', 'libero_spatial', '--task', '0', '--trial', '0', '--gl', 'osmesa'];
    const draw = ['--pictures', `${NO_OPS},${TRACE_STEPS}`, '--picture-size', '256'];
    const words = ['debug', 'replay-env', ...scene, ...draw, '--actions', given, '--out', out];
    const { stderr, status } = spawnSync(process.execPath, [program, ...words], {
      encoding: 'utf8',
    });
    expect({ stderr, status }).toMatchObject({ status: 0 });
    const [figures] = compare(fixture('libero_spatial-0'), out);
    expect(figures).toMatchObject({ failures: [] });
    expect(figures).toHaveProperty('agentview_15');
  });
});
