import { describe, expect, it } from 'vitest';
import { createRuntime, LiberoBackend, Tensor } from '../../lib/native/index.js';
import { whyNoLibero } from '../support/libero.js';

// The frames of a chunk's steps: against the pictures of a backend that is stepped one by one.

const reason = whyNoLibero();
const runtime = createRuntime({ device: 'cpu' });
const CHUNK = 4;
const SIDE = 48;

function actionsOf(envs: number, from: number, steps: number): Tensor<'float32'> {
  const values = Array.from({ length: envs * CHUNK * 7 }, (_, i) => Math.sin(3 + 1.7 * i));
  const rows = Array.from({ length: envs }, (_, env) =>
    values.slice((env * CHUNK + from) * 7, (env * CHUNK + from + steps) * 7),
  );
  return Tensor.from(runtime, Float32Array.from(rows.flat()), [envs, steps, 7]);
}

describe.skipIf(reason)(`filming LIBERO${reason ? ` (${reason})` : ''}`, () => {
  it('shows each step as it is seen there, and changes nothing', async () => {
    const shared = { numEnvs: 3, threads: 2, gl: 'osmesa', lod: true } as const;
    const plain = new LiberoBackend(runtime, { ...shared, imageSize: 32 });
    const filmed = new LiberoBackend(runtime, { ...shared, imageSize: 32, frameSize: SIDE });
    const stepped = new LiberoBackend(runtime, { ...shared, imageSize: SIDE });
    for (const backend of [plain, filmed, stepped]) {
      for (const env of [0, 1, 2]) backend.restore(env, 4 * env, env);
    }
    const limit = Int32Array.of(CHUNK, 2, 3);
    const actions = actionsOf(3, 0, CHUNK);
    const without = await plain.stepChunk(actions, limit);
    const result = await filmed.stepChunk(actions, limit, { filmed: Uint8Array.of(1, 0, 1) });
    expect(filmed.saveState()).toEqual(plain.saveState());
    expect(result.executed).toEqual(without.executed);
    expect(result.observation.state.read()).toEqual(without.observation.state.read());
    expect(result.observation.images.main?.read()).toEqual(without.observation.images.main?.read());

    expect(result.frames?.shape).toEqual([2, CHUNK, SIDE, SIDE, 3]);
    const frames = result.frames?.read() ?? new Uint8Array();
    const bytes = 3 * SIDE ** 2;
    const frame = (index: number) => frames.subarray(index * bytes, (index + 1) * bytes);
    for (let step = 0; step < CHUNK; step++) {
      const one = Int32Array.from(limit, (steps) => (step < steps ? 1 : 0));
      const { observation } = await stepped.stepChunk(actionsOf(3, step, 1), one);
      const seen = observation.images.main?.read() ?? new Uint8Array();
      for (const [row, env] of [0, 2].entries()) {
        const expected =
          one[env] === 1 ? seen.subarray(env * bytes, (env + 1) * bytes) : new Uint8Array(bytes);
        const equal = Buffer.compare(frame(row * CHUNK + step), expected) === 0;
        expect(equal, `environment ${env}, step ${step}`).toBe(true);
      }
    }
    expect(stepped.saveState()).toEqual(plain.saveState());
  });

  it('has none without a size', async () => {
    const backend = new LiberoBackend(runtime, { numEnvs: 1, imageSize: 32, lod: true });
    const filmed = Uint8Array.of(1);
    const chunk = backend.stepChunk(actionsOf(1, 0, 1), Int32Array.of(1), { filmed });
    await expect(chunk).rejects.toMatchObject({ code: 'ERR_DSRL_ENV_INPUT' });
  });
});
