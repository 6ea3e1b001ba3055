import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'dsrl-worker-'));
afterAll(() => rmSync(folder, { recursive: true }));

const library = new URL('../../dist/index.js', import.meta.url).href;

/** Acts once where it runs; in the main thread again after a worker has done the same and ended. */
const SCRIPT = `
import { isMainThread, Worker } from 'node:worker_threads';
const { Agent, Tensor, composeConfig, createRuntime, networkSizes } =
  await import(${JSON.stringify(library)});
const { config } = composeConfig({ recipe: 'tabletop', overrides: [] });
const sizes = networkSizes(config);
const runtime = createRuntime({ device: 'cpu' });
const agent = new Agent(runtime, sizes, 1n);
const side = sizes.image_size;
const frame = Tensor.from(runtime, new Uint8Array(side * side * 3), [1, side, side, 3]);
const state = Tensor.from(runtime, new Float32Array(sizes.state_dim), [1, sizes.state_dim]);
const act = async () => (await agent.act({ frame, state }, { step: 0 })).shape.join();
const shapes = [await act()];
if (isMainThread) {
  for (let i = 0; i < 2; i++) {
    const worker = new Worker(new URL(import.meta.url));
    const code = await new Promise((resolve, reject) => {
      worker.on('error', reject);
      worker.on('exit', resolve);
    });
    shapes.push(code, await act());
  }
  console.log(JSON.stringify(shapes));
}`;

/** Sends a tensor to a worker, which acts on it; prints what that comes to. */
const SENDING = `
import { once } from 'node:events';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
const { Agent, Tensor, composeConfig, createRuntime, networkSizes } =
  await import(${JSON.stringify(library)});
const { config } = composeConfig({ recipe: 'tabletop', overrides: [] });
const sizes = networkSizes(config);
const runtime = createRuntime({ device: 'cpu' });
const side = sizes.image_size;
const bytes = new Uint8Array(side * side * 3);
const state = Tensor.from(runtime, new Float32Array(sizes.state_dim), [1, sizes.state_dim]);
if (isMainThread) {
  const worker = new Worker(new URL(import.meta.url));
  await once(worker, 'message');
  worker.postMessage({ frame: Tensor.from(runtime, bytes, [1, side, side, 3]), bytes });
  console.log((await once(worker, 'message'))[0]);
} else {
  const agent = new Agent(runtime, sizes, 1n);
  parentPort.once('message', async ({ frame, bytes }) => {
    const refused = await agent.act({ frame, state }, { step: 0 }).catch((error) => error);
    const made = Tensor.from(runtime, bytes, [1, side, side, 3]);
    const { shape } = await agent.act({ frame: made, state }, { step: 0 });
    const { name, code, message, hint } = refused;
    parentPort.postMessage(JSON.stringify({ name, code, message, hint, shape }));
  });
  parentPort.postMessage('ready');
}`;

test('a handle that was sent to a worker is refused in words; its values are not', () => {
  const script = join(folder, 'sends.mjs');
  writeFileSync(script, SENDING);
  const { stdout, stderr, status } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(JSON.parse(stdout)).toEqual({
    name: 'UsageError',
    code: 'ERR_DSRL_WRONG_THREAD',
    message: expect.stringContaining('handles are not sent between threads'),
    hint: expect.stringContaining('read()'),
    shape: [1, 32],
  });
});

test("a worker that ends stops its own native threads and not the main thread's", () => {
  const script = join(folder, 'acts.mjs');
  writeFileSync(script, SCRIPT);
  const { stdout, stderr, status } = spawnSync(process.execPath, [script], { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  expect(JSON.parse(stdout)).toEqual(['1,32', 0, '1,32', 0, '1,32']);
});
