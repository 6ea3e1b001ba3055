import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { totalmem } from 'node:os';
import { describe, expect, it } from 'vitest';
import { createRuntime, LiberoBackend, Tensor } from '../../lib/native/index.js';
import { whyNoLibero } from '../support/libero.js';

// What holds of the native backend without the original; against it: original.test.ts.

const reason = whyNoLibero();
const runtime = createRuntime({ device: 'cpu' });
const CHUNK = 3;

/** Actions [B, CHUNK, 7] that differ by environment and by chunk. */
function chunkOfActions(numEnvs: number, chunk: number): Tensor<'float32'> {
  const values = Float32Array.from({ length: numEnvs * CHUNK * 7 }, (_, i) =>
    Math.sin(1 + 37 * chunk + 1.7 * i),
  );
  return Tensor.from(runtime, values, [numEnvs, CHUNK, 7]);
}

const all = (numEnvs: number) => new Int32Array(numEnvs).fill(CHUNK);
const bytes = (array: ArrayBufferView) =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength);

/** Of one environment's saved state: [time, qpos 48, qvel 43, ...]. */
const QVEL = 49;

describe.skipIf(reason)(`the native LIBERO${reason ? ` (${reason})` : ''}`, () => {
  /** One picture of the reduced scene: drawn in milliseconds. */
  const make = (numEnvs: number, threads = 1) =>
    new LiberoBackend(runtime, { numEnvs, threads, imageSize: 32, gl: 'osmesa', lod: true });

  it('does the same to the bit with one thread and with three', async () => {
    const [one, three] = [make(4, 1), make(4, 3)];
    for (let env = 0; env < 4; env++) {
      one.restore(env, 2 * env, 3 * env);
      three.restore(env, 2 * env, 3 * env);
    }
    for (let chunk = 0; chunk < 2; chunk++) {
      const actions = chunkOfActions(4, chunk);
      const limit = Int32Array.of(3, 1, 0, 2);
      const [a, b] = [await one.stepChunk(actions, limit), await three.stepChunk(actions, limit)];
      expect([...a.executed]).toEqual([...limit]);
      expect([...b.executed]).toEqual([...limit]);
      expect(bytes(b.observation.state.read())).toEqual(bytes(a.observation.state.read()));
      const [left, right] = [a.observation.images.main, b.observation.images.main];
      expect(bytes(right?.read() as Uint8Array)).toEqual(bytes(left?.read() as Uint8Array));
    }
    expect(bytes(three.saveState())).toEqual(bytes(one.saveState()));
  });

  it('lets child processes be started beside it', () => {
    // 1.3 GB of addresses an environment; of what is copied Linux says no beyond the memory.
    const many = Math.ceil(totalmem() / 1.3e9) + 4;
    make(many);
    expect(spawnSync('true').error).toBe(undefined);
  });

  it.each([0, 2])('goes on to the bit from what it saved after %i chunks', async (chunks) => {
    const [first, second] = [make(2), make(2)];
    first.restore(0, 4, 7);
    first.restore(1, 9, 49);
    for (let chunk = 0; chunk < chunks; chunk++) {
      await first.stepChunk(chunkOfActions(2, chunk), Int32Array.of(3, 2), { pictures: false });
    }
    second.loadState(first.saveState());
    const [shown, again] = [first.observe(), second.observe()];
    expect(again.state.read()).toEqual(shown.state.read());
    expect(again.images.main?.read()).toEqual(shown.images.main?.read());
    const actions = chunkOfActions(2, chunks);
    const [a, b] = [
      await first.stepChunk(actions, all(2)),
      await second.stepChunk(actions, all(2)),
    ];
    expect(bytes(second.saveState())).toEqual(bytes(first.saveState()));
    expect(b.observation.images.main?.read()).toEqual(a.observation.images.main?.read());
    // It is the same episode and not merely the same code: another trial ends elsewhere.
    second.restore(0, 4, 8);
    expect(second.interior(0).qpos).not.toEqual(first.interior(0).qpos);
  });

  it('fails an environment whose simulation breaks, and no other', async () => {
    const backend = make(2);
    const sound = make(2);
    for (const each of [backend, sound]) for (const env of [0, 1]) each.restore(env, 1, env);
    const saved = backend.saveState();
    saved[saved.length / 2 + QVEL + 10] = 1e12;
    backend.loadState(saved);
    const actions = chunkOfActions(2, 0);
    const result = await backend.stepChunk(actions, all(2));
    expect([...result.failure]).toEqual([0, 1]);
    expect(result.executed[0]).toBe(CHUNK);
    expect([...result.success]).toEqual(Array(2 * CHUNK).fill(0));
    await sound.stepChunk(actions, all(2));
    expect(backend.interior(0)).toEqual(sound.interior(0));
    // It stands still until it is restored, and is sound then.
    const later = await backend.stepChunk(actions, all(2));
    expect([...later.executed]).toEqual([CHUNK, 0]);
    expect([...later.failure]).toEqual([0, 1]);
    backend.restore(1, 1, 1);
    expect([...(await backend.stepChunk(actions, all(2))).failure]).toEqual([0, 0]);
    expect(backend.interior(1)).toEqual(sound.interior(1));
    expect(existsSync('MUJOCO_LOG.TXT')).toBe(false);
  });

  it('refuses what it cannot execute before anything moves', async () => {
    const backend = make(2);
    const before = backend.saveState();
    const values = new Float32Array(2 * CHUNK * 7);
    values[7 * CHUNK + 7 + 2] = Number.NaN;
    const broken = Tensor.from(runtime, values, [2, CHUNK, 7]);
    const refused = (message: string) =>
      expect.objectContaining({
        code: 'ERR_DSRL_ENV_INPUT',
        exitCode: 2,
        message: expect.stringContaining(message),
      });
    await expect(backend.stepChunk(broken, all(2))).rejects.toEqual(
      refused('action 2 of step 1 of environment 1 is not finite'),
    );
    const narrow = Tensor.from(runtime, new Float32Array(2 * CHUNK * 6), [2, CHUNK, 6]);
    await expect(backend.stepChunk(narrow, all(2))).rejects.toEqual(refused('[2, C, 7]'));
    await expect(backend.stepChunk(chunkOfActions(2, 0), all(1))).rejects.toEqual(refused('limit'));
    expect(backend.saveState()).toEqual(before);
    // What is beyond the limit is not read.
    const result = await backend.stepChunk(broken, Int32Array.of(3, 1), { pictures: false });
    expect([...result.executed]).toEqual([3, 1]);
    expect(result.observation.images).toEqual({});
  });

  it('places the fixtures as the seed says, or as it is told', () => {
    const cabinet = (backend: LiberoBackend, env: number) => {
      backend.restore(env, 0, 0);
      return backend.saveState().slice((env * backend.saveState().length) / backend.numEnvs);
    };
    const [two, other] = [
      new LiberoBackend(runtime, { numEnvs: 2, seed: 1n, cameras: [] }),
      new LiberoBackend(runtime, { numEnvs: 1, seed: 3n, cameras: [] }),
    ];
    // RLinf's rule: worker e of n has the seed `seed` * n + e.
    const size = other.saveState().length;
    expect(cabinet(two, 1).slice(0, size)).toEqual(cabinet(other, 0));
    expect(cabinet(two, 0).slice(0, size)).not.toEqual(cabinet(other, 0));
  });

  it('tells a policy the task by its name', () => {
    const backend = new LiberoBackend(runtime, { numEnvs: 1, cameras: [] });
    expect(backend.prompt(0)).toBe(
      'pick up the black bowl between the plate and the ramekin and place it on the plate',
    );
    expect(() => backend.prompt(10)).toThrow('no task 10');
    expect([backend.numTasks, backend.numTrials, backend.actionDim]).toEqual([10, 50, 7]);
  });
});
