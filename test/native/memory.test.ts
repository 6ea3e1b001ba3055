import { spawnSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { createRuntime, scope, Tensor } from '../../lib/index.js';

const runtime = createRuntime({ device: 'cpu' });
const floats = (size: number) => Tensor.from(runtime, new Float32Array(size), [size]);
const held = () => runtime.memory();

test('memory counts live handles, and a storage that several share once', () => {
  const before = held();
  const whole = floats(1000);
  const part = whole.slice(0, 10);
  expect(held()).toEqual({
    tensors: before.tensors + 2,
    hostBytes: before.hostBytes + 4000,
    deviceBytes: 0,
  });
  whole.dispose();
  expect(held().hostBytes).toBe(before.hostBytes + 4000);
  part.dispose();
  part.dispose();
  expect(held()).toEqual(before);
});

describe('scope', () => {
  test('disposes of what was made in it, but for what it returns', () => {
    const before = held().tensors;
    let lost: Tensor | undefined;
    const kept = scope(() => {
      lost = floats(1);
      return { list: [floats(2)], number: 3 };
    });
    expect(lost?.disposed).toBe(true);
    expect(kept.list[0]?.disposed).toBe(false);
    kept.list[0]?.dispose();
    expect(held().tensors).toBe(before);
  });

  test('reaches behind awaits, and not into what runs beside it', async () => {
    const outside = Promise.resolve().then(() => floats(1));
    const inside: Tensor[] = [];
    const result = await scope(async () => {
      await outside;
      inside.push(floats(1));
      await new Promise((resolve) => setImmediate(resolve));
      inside.push(await floats(2).to('cpu'));
      return floats(3);
    });
    expect(inside.map(({ disposed }) => disposed)).toEqual([true, true]);
    expect((await outside).disposed).toBe(false);
    expect(result.disposed).toBe(false);
  });

  test('hands what an inner one returns to the outer one', () => {
    let inner: Tensor | undefined;
    scope(() => {
      inner = scope(() => floats(1));
      expect(inner.disposed).toBe(false);
    });
    expect(inner?.disposed).toBe(true);
  });

  test.each([
    ['throws', (made: Tensor[]) => scope(() => fail(made))],
    ['rejects', (made: Tensor[]) => scope(async () => fail(made))],
  ])('that %s keeps nothing', async (_, run) => {
    const made: Tensor[] = [];
    await expect(async () => run(made)).rejects.toThrow('no');
    expect(made[0]?.disposed).toBe(true);
  });
});

function fail(made: Tensor[]): Tensor {
  made.push(floats(1));
  throw new Error('no');
}

/** Runs a program with the compiled library and the garbage collector in reach. */
function run(body: string, env: Record<string, string> = {}) {
  const library = JSON.stringify(new URL('../../dist/index.js', import.meta.url).href);
  const program = `
    const { createRuntime, Tensor } = await import(${library});
    const runtime = createRuntime({ device: 'cpu' });
    const turn = () => new Promise((resolve) => setImmediate(resolve));
    const rest = () => new Promise((resolve) => setTimeout(resolve, 20));
    ${body}`;
  return spawnSync(process.execPath, ['--expose-gc', '--input-type=module', '-e', program], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
}

test.skipIf(process.env.DSRL_SANITIZED === '1').each([
  ['disposed of, without one turn of the event loop', 'tensor.dispose();'],
  ['viewed and disposed of', 'tensor.view(); tensor.dispose(); if (i % 100 === 0) await turn();'],
  ['left to the collector', 'tensor.view(); if (i % 1000 === 0) { gc(); await rest(); }'],
])('100,000 tensors that are %s leave less than 10 MB behind', (_, end) => {
  const { stdout, stderr } = run(`
    const data = new Float32Array(64);
    const cycle = async (count) => {
      for (let i = 0; i < count; i++) {
        const tensor = Tensor.from(runtime, data, [64]);
        ${end}
      }
      // V8 gives pages back from threads of its own, which a busy machine lets wait; what has
      // leaked does not go by waiting.
      let least = Number.POSITIVE_INFINITY;
      for (let i = 0; i < 25; i++) {
        gc();
        await rest();
        least = Math.min(least, process.memoryUsage().rss);
      }
      return least / 2 ** 20;
    };
    const before = await cycle(20_000);
    const grown = (await cycle(100_000)) - before;
    console.log(JSON.stringify({ grown, ...runtime.memory() }));`);
  expect(stderr).toBe('');
  const { grown, tensors } = JSON.parse(stdout);
  expect(grown).toBeLessThan(10);
  expect(tensors).toBeLessThan(100);
});

test('DSRL_TRACK=1 tells where a tensor was made that nobody disposed of, once a place', () => {
  const body = `
    function leaky() { return Tensor.from(runtime, new Float32Array(3), [3]); }
    for (let i = 0; i < 5; i++) leaky();
    leaky().dispose();
    gc();
    await rest();
    gc();
    await rest();`;
  const { stderr } = run(body, { DSRL_TRACK: '1' });
  const warnings = stderr.split('DSRL_TENSOR_LEAK').length - 1;
  expect(warnings).toBe(1);
  expect(stderr).toContain('float32 tensor [3] was collected');
  expect(stderr).toContain('at leaky');
  expect(run(body).stderr).toBe('');
});
