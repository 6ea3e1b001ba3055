import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { PolicyServer, RemotePolicy, WireClient } from '../../lib/serve/index.js';
import { observation, summingService } from './support/service.js';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close();
});

async function start(port = 0, delayMs = 0): Promise<PolicyServer> {
  const server = await PolicyServer.listen(summingService({ delayMs }).service, { port });
  open.push(server);
  return server;
}

function client(url: string, options = {}): WireClient {
  const made = new WireClient(url, options);
  open.push(made);
  return made;
}

test('the metadata are there once it is connected', async () => {
  const made = client((await start()).url);
  await made.connect();
  expect(made.metadata).toEqual({ name: 'summing', horizon: 2 });
});

test('a server that comes later is waited for', async () => {
  const gone = await start();
  const port = Number(new URL(gone.url).port);
  await gone.close();
  const answer = client(`ws://127.0.0.1:${port}`, { patienceMs: 20_000 }).request(
    observation([1, 2]),
  );
  await start(port);
  expect(await answer).toHaveProperty('actions');
});

test('after a server has gone and come back the next request connects again', async () => {
  const first = await start();
  const made = client(first.url, { patienceMs: 20_000 });
  await made.request(observation([1, 2]));
  await first.close();
  await start(Number(new URL(first.url).port));
  expect(await made.request(observation([1, 2]))).toHaveProperty('actions');
});

test('a request that is under way when the server dies is rejected', async () => {
  const server = await start(0, 60_000);
  const made = client(server.url);
  await made.connect();
  const answer = made.request(observation([1, 2]));
  const rejected = expect(answer).rejects.toMatchObject({ code: 'ERR_DSRL_REMOTE_DISCONNECTED' });
  await server.close(50);
  await rejected;
});

test('a server that falls silent is given up, and the next request answered', async () => {
  const server = await start();
  const pairs: [Socket, Socket][] = [];
  const between = createServer((near) => {
    const far = connect(Number(new URL(server.url).port), '127.0.0.1');
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) socket.on('error', () => {});
    pairs.push([near, far]);
  });
  between.listen(0, '127.0.0.1');
  await once(between, 'listening');
  open.push({ close: () => between.close() });
  const { port } = between.address() as AddressInfo;
  const made = client(`ws://127.0.0.1:${port}`, { silenceMs: 300, answerSilenceMs: 300 });
  await made.request(observation([1, 2]));
  await new Promise((resolve) => setTimeout(resolve, 600));
  await made.request(observation([1, 2])); // idle, and alive: pings are answered
  expect(pairs).toHaveLength(1);
  for (const [near, far] of pairs) {
    near.unpipe(far);
    far.unpipe(near);
  }
  await expect(made.request(observation([1, 2]))).rejects.toMatchObject({
    code: 'ERR_DSRL_REMOTE_DISCONNECTED',
  });
  expect(await made.request(observation([1, 2]))).toHaveProperty('actions');
  for (const pair of pairs) for (const socket of pair) socket.destroy();
});

test('a server that fails before it was asked leaves no request waiting', async () => {
  const failing = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(failing, 'listening');
  open.push({ close: () => failing.close() });
  failing.on('connection', (socket) => {
    socket.send(Uint8Array.of(0x80));
    socket.send('no weights');
    socket.close(1011);
  });
  const { port } = failing.address() as AddressInfo;
  const answer = client(`ws://127.0.0.1:${port}`).request(observation([1, 2]));
  await expect(answer).rejects.toMatchObject({ code: 'ERR_DSRL_REMOTE_DISCONNECTED' });
});

test('an aborted request leaves the order of answers whole', async () => {
  const made = client((await start(0, 100)).url);
  const controller = new AbortController();
  const aborted = made.request(observation([7, 7]), controller.signal);
  await expect.poll(() => made.metadata).not.toBeNull();
  controller.abort(new Error('changed my mind'));
  await expect(aborted).rejects.toThrow('changed my mind');
  const { actions } = (await made.request(observation([1, 2]))) as { actions: { data: unknown } };
  expect(actions.data).toEqual(Float32Array.of(12, 1, 2, 1));
});

test('attempts to connect end with the signal', async () => {
  const gone = await start();
  await gone.close();
  const controller = new AbortController();
  const made = client(gone.url, { patienceMs: 60_000, signal: controller.signal });
  const refused = expect(made.connect()).rejects.toThrow('enough');
  controller.abort(new Error('enough'));
  await refused;
});

test('a closed client refuses', async () => {
  const made = client((await start()).url);
  await made.connect();
  made.close();
  await expect(made.request(null)).rejects.toMatchObject({ code: 'ERR_DSRL_REMOTE_CLOSED' });
});

test('deadlineMs: an answer in time is given, a late one never, and the next is its own', async () => {
  const server = await start(0, 100);
  const policy = await RemotePolicy.connect(server.url);
  open.push({ close: () => policy.dispose() });
  const images = { main: { data: new Uint8Array(12).fill(1), height: 2, width: 2 } };
  const asked = (state: number[], deadlineMs: number) =>
    policy.infer({ images, state, prompt: 'tidy' }, { deadlineMs });
  expect(await asked([1, 2], 5)).toEqual({ timedOut: true });
  expect(await asked([3, 4], 60_000)).toEqual({
    actions: Float32Array.of(12, 3, 4, 1),
    shape: [2, 2],
  });
});

test('what cannot be sent is an error, and the next answer is its own', async () => {
  const made = client((await start()).url);
  await made.connect();
  await expect(made.request({ large: 2n ** 70n })).rejects.toThrow(RangeError);
  const { actions } = (await made.request(observation([1, 2]))) as { actions: { data: unknown } };
  expect(actions.data).toEqual(Float32Array.of(12, 1, 2, 1));
});

test.each([
  ['a state of null', { state: [1, null] }, /state\[1\] is null/],
  ['no prompt', { prompt: undefined }, /prompt is undefined/],
  [
    'bytes without a size',
    { images: { main: new Uint8Array(12) } },
    /`main` is 12 bytes without a size/,
  ],
])('%s is refused as by a local policy', async (_, changes, message) => {
  const policy = await RemotePolicy.connect((await start()).url);
  open.push({ close: () => policy.dispose() });
  const images = { main: { data: new Uint8Array(12), height: 2, width: 2 } };
  const observed = { images, state: [1, 2], prompt: 'tidy', ...changes } as never;
  await expect(policy.infer(observed)).rejects.toMatchObject({
    code: 'ERR_DSRL_POLICY_CONTRACT',
    message: expect.stringMatching(message),
  });
});

test('a batch is answered in its order, and ends with the first that fails', async () => {
  const server = await start();
  const policy = await RemotePolicy.connect(server.url);
  open.push({ close: () => policy.dispose() });
  const images = { main: { data: new Uint8Array(12).fill(1), height: 2, width: 2 } };
  const seen = (first: number) => ({ images, state: [first, 0], prompt: 'tidy' });
  const chunks = await policy.inferBatch([seen(1), seen(2), seen(3)]);
  expect(chunks.map(({ actions }) => actions[1])).toEqual([1, 2, 3]);
  await expect(policy.inferBatch([seen(1), seen(13), seen(3)])).rejects.toMatchObject({
    code: 'ERR_DSRL_REMOTE_FAILED',
    message: expect.stringContaining('ERR_DSRL_WIRE_INTERNAL'),
  });
  expect((await policy.inferBatch([seen(4)]))[0]?.actions[1]).toBe(4);
});

test('actions of a server that are not finite go no further', async () => {
  const server = await start();
  const policy = await RemotePolicy.connect(server.url);
  open.push({ close: () => policy.dispose() });
  const images = { main: { data: new Uint8Array(12).fill(1), height: 2, width: 2 } };
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const asked = policy.infer({ images, state: [1, value], prompt: 'tidy' });
    await expect(asked).rejects.toMatchObject({
      code: 'ERR_DSRL_REMOTE_NOT_FINITE',
      message: expect.stringContaining(`actions[2] of the server's answer is ${value}`),
    });
  }
});
