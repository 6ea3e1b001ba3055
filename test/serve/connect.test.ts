import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { encode, NdArray, RemotePolicy, WireClient } from '../../lib/serve/index.js';
import { observation } from './support/service.js';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close();
});

/** A server of websockets that does what it is told to, no more. */
async function websockets(greet: (socket: WebSocket) => void): Promise<string> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', autoPong: false });
  await once(server, 'listening');
  server.on('connection', greet);
  open.push({
    close() {
      for (const socket of server.clients) socket.terminate();
      server.close();
    },
  });
  return `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A server that accepts and says nothing at all. */
async function mute(): Promise<{ url: string; server: Server; ends: () => number }> {
  let ends = 0;
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('close', () => {
      ends += 1;
    });
    socket.resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push({ close: () => server.close() });
  const { port } = server.address() as AddressInfo;
  return { url: `ws://127.0.0.1:${port}`, server, ends: () => ends };
}

test('a server that accepts and never answers is given up, its socket too', async () => {
  const { url, ends } = await mute();
  await expect(RemotePolicy.connect(url, { connectTimeoutMs: 100 })).rejects.toMatchObject({
    code: 'ERR_DSRL_REMOTE_UNREACHABLE',
    message: `${url}: the server did not answer within 100 ms`,
    hint: expect.stringContaining('`connectTimeoutMs`'),
  });
  await expect.poll(ends).toBe(1);
});

test('a websocket that never sends its metadata is given up, its socket too', async () => {
  const closed: Promise<unknown>[] = [];
  const url = await websockets((socket) => closed.push(once(socket, 'close')));
  await expect(RemotePolicy.connect(url, { connectTimeoutMs: 100 })).rejects.toMatchObject({
    code: 'ERR_DSRL_REMOTE_UNREACHABLE',
    message: `${url}: the server sent no metadata within 100 ms`,
  });
  await Promise.all(closed);
  expect(closed).toHaveLength(1);
});

test('an attempt that was given up is made again while there is patience', async () => {
  let met = 0;
  const url = await websockets((socket) => {
    met += 1;
    if (met > 1) socket.send(encode({ met }));
  });
  const options = { connectTimeoutMs: 500, patienceMs: 60_000 };
  using policy = await RemotePolicy.connect(url, options);
  expect(policy.metadata).toEqual({ met: 2 });
});

test('a greeting in words is told, not waited for', async () => {
  const url = await websockets((socket) => socket.send('welcome to the chat'));
  await expect(RemotePolicy.connect(url)).rejects.toMatchObject({
    code: 'ERR_DSRL_REMOTE_UNREACHABLE',
    message: expect.stringContaining('greets with a text, "welcome to the chat"'),
  });
});

test('close() ends an attempt to connect, and its socket', async () => {
  const { url, ends } = await mute();
  const client = new WireClient(url, { patienceMs: 60_000 });
  const refused = expect(client.connect()).rejects.toMatchObject({
    code: 'ERR_DSRL_REMOTE_CLOSED',
  });
  await sleep(50);
  client.close();
  await refused;
  await expect.poll(ends).toBe(1);
});

test.each([
  ['a server that says nothing', 'mute'],
  ['a server that is not there', 'none'],
  ['a server that answers no goodbye', 'rude'],
])(
  'after close() a process ends by itself: %s',
  async (_, kind) => {
    const { url, server } = await mute();
    if (kind === 'none') server.close();
    const rude = await websockets((socket) => {
      socket.send(encode({}));
      socket.pause();
    });
    const program = `
    import { WireClient } from './dist/serve/index.js';
    const client = new WireClient(process.argv[1], { patienceMs: 1e9, connectTimeoutMs: 1e9 });
    client.connect().catch(({ code }) => console.log(code));
    setTimeout(() => { client.close(); console.log('closed'); }, 1500);
  `;
    const words = ['--input-type=module', '-e', program, kind === 'rude' ? rude : url];
    // Without an end of its own it is killed, and this rejects.
    const { stdout } = await promisify(execFile)(process.execPath, words, { timeout: 20_000 });
    expect(stdout).toBe(kind === 'rude' ? 'closed\n' : 'closed\nERR_DSRL_REMOTE_CLOSED\n');
  },
  30_000,
);

test('a server that answers no ping while it computes is waited for', async () => {
  let met = 0;
  const actions = new NdArray(new Float32Array(2), [1, 2]);
  const url = await websockets((socket) => {
    met += 1;
    socket.send(encode({}));
    socket.on('message', () => setTimeout(() => socket.send(encode({ actions })), 600));
  });
  const client = new WireClient(url, { silenceMs: 60, answerSilenceMs: 60_000 });
  open.push(client);
  expect(await client.request(observation([1, 2]))).toEqual({ actions });
  await sleep(300); // idle, and its pings unanswered: that one is dropped
  expect(await client.request(observation([1, 2]))).toEqual({ actions });
  expect(met).toBe(2);
});

test('one that answers nothing at all is given up, with its request', async () => {
  const url = await websockets((socket) => socket.send(encode({})));
  const client = new WireClient(url, { answerSilenceMs: 200 });
  open.push(client);
  await expect(client.request(observation([1, 2]))).rejects.toMatchObject({
    code: 'ERR_DSRL_REMOTE_DISCONNECTED',
  });
});

test.each([
  ['127.0.0.1:8000', {}, 'ERR_DSRL_REMOTE_URL'],
  ['localhost:8000', {}, 'ERR_DSRL_REMOTE_URL'],
  ['http://127.0.0.1:8000', {}, 'ERR_DSRL_REMOTE_URL'],
  ['ws://127.0.0.1:8000/#there', {}, 'ERR_DSRL_REMOTE_URL'],
  ['ws://127.0.0.1:1', { apiKey: 'two\nlines' }, 'ERR_DSRL_REMOTE_OPTION'],
  ['ws://127.0.0.1:1', { connectTimeoutMs: 0 }, 'ERR_DSRL_REMOTE_OPTION'],
  ['ws://127.0.0.1:1', { silenceMs: Number.POSITIVE_INFINITY }, 'ERR_DSRL_REMOTE_OPTION'],
  ['ws://127.0.0.1:1', { answerSilenceMs: Number.NaN }, 'ERR_DSRL_REMOTE_OPTION'],
  ['ws://127.0.0.1:1', { patienceMs: -1 }, 'ERR_DSRL_REMOTE_OPTION'],
])('%s with %o is refused, and not tried for ever', async (url, options, code) => {
  const connecting = RemotePolicy.connect(url, { patienceMs: 1e9, ...options });
  await expect(connecting).rejects.toMatchObject({ code });
});
