import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { createRuntime, LiberoBackend, TabletopBackend } from '../../lib/native/index.js';
import { whyNoLibero } from '../support/libero.js';

// The scripted expert, judged by the environment's own test of success.

const reason = whyNoLibero();
const runtime = createRuntime({ device: 'cpu' });
const program = fileURLToPath(new URL('../../bin/dsrl-native.js', import.meta.url));

function expert(...words: string[]) {
  const command = ['debug', 'expert', '--env', 'libero_spatial', '--json', ...words];
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...command], {
    encoding: 'utf8',
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

describe('an environment without an expert', () => {
  it('says so', () => {
    const backend = new TabletopBackend(runtime, { numEnvs: 1, seed: 0n, imageSize: 64 });
    expect(() => backend.expertStep(Int32Array.of(0))).toThrow(/no scripted expert/);
  });
});

describe.skipIf(reason)(`the scripted expert${reason ? ` (${reason})` : ''}`, () => {
  it('fetches the target from the table and out of the drawer', () => {
    const [table, drawer] = expert('--tasks', '0,4', '--trials', '2');
    expect(table).toMatchObject({ task: 0, bowl: 'target', successes: 2, episodes: 2, stuck: {} });
    expect(drawer).toMatchObject({ task: 4, successes: 2, episodes: 2 });
    expect(table.median_steps).toBeLessThan(120);
  });

  it('fetches the other bowl when it is asked to', () => {
    const [other] = expert('--tasks', '0', '--trials', '2', '--bowl', 'other');
    expect(other).toMatchObject({ task: 0, bowl: 'other', successes: 2, episodes: 2 });
  });

  it('knows two bowls, and takes one errand an environment', () => {
    const backend = new LiberoBackend(runtime, { numEnvs: 2, threads: 1, cameras: [] });
    expect(() => backend.expertStep(Int32Array.of(0, 2))).toThrow(/errand/);
    expect(() => backend.expertStep(Int32Array.of(0))).toThrow(/errand/);
    // Each environment's own: the first moves of the two errands differ.
    for (const env of [0, 1]) backend.restore(env, 2, 0);
    const { actions, phases } = backend.expertStep(Int32Array.of(0, 1));
    expect([...phases]).toEqual([0, 0]);
    const moves = actions.read();
    expect([...moves.subarray(0, 7)]).not.toEqual([...moves.subarray(7)]);
  });
});

describe.skipIf(reason)(`states to be taught in${reason ? ` (${reason})` : ''}`, () => {
  it('are as many as the evaluated ones, and none of them', () => {
    const states = (unevaluatedStates: boolean) => {
      const backend = new LiberoBackend(runtime, { numEnvs: 1, cameras: [], unevaluatedStates });
      expect(backend.numTrials).toBe(50);
      return Array.from({ length: 10 * 50 }, (_, i) => {
        backend.restore(0, Math.floor(i / 50), i % 50);
        return Buffer.from(backend.saveState().buffer).toString('base64');
      });
    };
    expect(new Set([...states(false), ...states(true)]).size).toBe(1000);
  });
});
