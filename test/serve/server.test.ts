import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import {
  decode,
  encode,
  type NdArray,
  PolicyServer,
  type ServerOptions,
  WireClient,
} from '../../lib/serve/index.js';
import { openpiPython, runOpenpi } from './support/openpi.js';
import { observation, summingService } from './support/service.js';

// Making that environment takes a while, once.
beforeAll(() => void openpiPython(), 600_000);

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close();
});

async function start(options: ServerOptions = {}, delayMs = 0) {
  const { service, batches } = summingService({ delayMs });
  const failures: unknown[] = [];
  const onFailure = (error: unknown) => failures.push(error);
  const server = await PolicyServer.listen(service, { port: 0, onFailure, ...options });
  open.push(server);
  return { server, batches, failures };
}

function client(server: PolicyServer, options = {}): WireClient {
  const made = new WireClient(server.url, options);
  open.push(made);
  return made;
}

/** A bare websocket after the metadata, and the frames and the close code that follow. */
async function bare(server: PolicyServer, headers = {}) {
  const socket = new WebSocket(server.url, { headers, perMessageDeflate: false });
  const [metadata] = await once(socket, 'message');
  const texts: string[] = [];
  socket.on('message', (data, isBinary) => {
    if (!isBinary) texts.push(String(data));
  });
  socket.on('error', () => {});
  const closed = once(socket, 'close').then(([closeCode]) => Number(closeCode));
  return { socket, metadata: decode(metadata as Buffer), texts, closed };
}

function actionsOf(answer: unknown): number[] {
  return Array.from((answer as { actions: NdArray }).actions.toFloat32());
}

test("openpi's own client gets metadata, actions, timings and an error it can show", async () => {
  const { server } = await start({ apiKey: 'open sesame' });
  const sum = Array.from({ length: 8 * 6 * 3 }, (_, value) => value).reduce((a, b) => a + b);
  expect(await runOpenpi('client.py', server.url, 'open sesame')).toEqual({
    metadata: { name: 'summing', horizon: 2 },
    dtype: '<f4',
    actions: [
      [sum, 0.5],
      [-1, 1],
    ],
    timings: [['infer_ms'], ['infer_ms', 'prev_total_ms'], ['infer_ms', 'prev_total_ms']],
    error: expect.stringContaining('ERR_DSRL_WIRE_KEYS: a picture is missing, found prompt'),
  });
});

test('a wrong key is refused before the websocket opens', async () => {
  const { server } = await start({ apiKey: 'open sesame' });
  for (const apiKey of [undefined, 'wrong', 'open sesame!']) {
    await expect(client(server, { apiKey }).request(null)).rejects.toMatchObject({
      code: 'ERR_DSRL_REMOTE_UNREACHABLE',
      message: expect.stringContaining('401'),
      hint: expect.stringContaining('`apiKey`'),
    });
  }
});

test('another host than loopback needs a key', async () => {
  await expect(start({ host: '0.0.0.0' })).rejects.toMatchObject({ code: 'ERR_DSRL_SERVE_KEY' });
  const { server } = await start({ host: '0.0.0.0', apiKey: 'open sesame' });
  expect(server.url).toMatch(/^ws:\/\/0\.0\.0\.0:/);
});

test('a key that no header can carry is refused at once', async () => {
  await expect(start({ apiKey: '' })).rejects.toMatchObject({ code: 'ERR_DSRL_SERVE_KEY' });
});

test('an address that is taken is an error that names it', async () => {
  const { server } = await start();
  const port = Number(new URL(server.url).port);
  await expect(start({ port })).rejects.toMatchObject({
    code: 'ERR_DSRL_SERVE_LISTEN',
    message: `cannot listen on 127.0.0.1:${port}`,
  });
});

test('healthz answers while the policy computes', async () => {
  const { server } = await start({}, 300);
  const answer = client(server).request(observation([1, 2]));
  await sleep(50);
  const response = await fetch(`${server.url.replace('ws', 'http')}/healthz`);
  expect([response.status, await response.text()]).toEqual([200, 'OK\n']);
  expect((await fetch(`${server.url.replace('ws', 'http')}/other`)).status).toBe(404);
  expect(actionsOf(await answer)).toEqual([12, 1, 2, 1]);
});

test('requests of several clients form one batch, and each gets its own answer', async () => {
  const { server, batches } = await start({ batchWindowMs: 150, largestBatch: 8 });
  const clients = Array.from({ length: 8 }, () => client(server));
  await Promise.all(clients.map((it) => it.connect()));
  const answers = await Promise.all(clients.map((it, i) => it.request(observation([i, -i]))));
  answers.forEach((answer, i) => {
    expect(actionsOf(answer)).toEqual([12, i, -i, 1]);
  });
  expect(batches).toEqual([8]);
});

test('an observation that makes its batch fail takes nobody with it', async () => {
  const { server, failures } = await start({ batchWindowMs: 150 });
  const [good, bad] = [client(server), client(server)];
  await Promise.all([good.connect(), bad.connect()]);
  const answers = await Promise.allSettled([
    good.request(observation([1, 2])),
    bad.request(observation([13, 2])),
  ]);
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
  const { reason } = answers[1] as PromiseRejectedResult;
  expect(reason.message).toContain('ERR_DSRL_WIRE_INTERNAL');
  expect(reason.message).not.toContain('secret');
  expect(String(failures[0])).toContain('/secret/path failed');
  expect(actionsOf(await bad.request(observation([3, 4])))).toEqual([12, 3, 4, 1]);
});

test.each([
  ['a text frame', (socket: WebSocket) => socket.send('hello'), 'ERR_DSRL_WIRE_TEXT'],
  [
    'bytes that are no msgpack',
    (socket: WebSocket) => socket.send(Buffer.from('c1', 'hex')),
    'ERR_DSRL_WIRE_MALFORMED',
  ],
  [
    'a cut-off message',
    (socket: WebSocket) => socket.send(encode(observation([1, 2])).subarray(0, 20)),
    'ERR_DSRL_WIRE_TRUNCATED',
  ],
  ['a number', (socket: WebSocket) => socket.send(encode(3)), 'ERR_DSRL_WIRE_KEYS'],
])(
  '%s is answered by a text frame and close 1011, and the server goes on',
  async (_, send, expected) => {
    const { server, failures } = await start();
    const { socket, texts, closed } = await bare(server);
    send(socket);
    expect(await closed).toBe(1011);
    expect(texts).toEqual([expect.stringContaining(`${expected}: `)]);
    expect(texts[0]).not.toMatch(/\bat .*:\d+/);
    expect(failures).toEqual([]);
    expect(actionsOf(await client(server).request(observation([1, 2])))).toEqual([12, 1, 2, 1]);
  },
);

test('a message beyond the limit closes the connection, and the server goes on', async () => {
  const { server } = await start({ maxMessageBytes: 4096 });
  const { socket, closed } = await bare(server);
  socket.send(new Uint8Array(5000));
  expect(await closed).toBe(1009);
  expect(actionsOf(await client(server).request(observation([1, 2])))).toEqual([12, 1, 2, 1]);
});

test('a client is told that its request was too large, not to ask again', async () => {
  const { server } = await start({ maxMessageBytes: 4096 });
  const asked = client(server).request({ large: new Uint8Array(5_000) });
  await expect(asked).rejects.toMatchObject({
    code: 'ERR_DSRL_REMOTE_FAILED',
    message: expect.stringContaining('larger than the server takes'),
    hint: expect.stringContaining('--max-message-bytes'),
  });
});

test('requests that come in one packet are answered in their order', async () => {
  const { server, batches } = await start({}, 100);
  const made = client(server);
  await made.connect();
  const pictures = [observation([1, 2]), { prompt: 'no picture' }, observation([3, 4])];
  const answers = await Promise.allSettled(pictures.map((message) => made.request(message)));
  expect(answers.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
  expect((answers[1] as PromiseRejectedResult).reason.message).toContain('a picture is missing');
  await expect.poll(() => server.clients).toBe(0);
  expect(batches).toEqual([1]);
});

test('a ping is answered while the policy computes', async () => {
  const { server } = await start({}, 1_000);
  const { socket } = await bare(server);
  const came: string[] = [];
  socket.on('pong', () => came.push('pong'));
  socket.on('message', () => came.push('answer'));
  socket.send(encode(observation([1, 2])));
  await sleep(50);
  socket.ping();
  await expect.poll(() => came, { timeout: 5_000 }).toEqual(['pong', 'answer']);
  socket.close();
});

test('refused clients that never hang up hold no place', async () => {
  const { server } = await start({ apiKey: 'open sesame', maxClients: 1 });
  const port = Number(new URL(server.url).port);
  const upgrade = [
    'GET / HTTP/1.1',
    'Host: localhost',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==',
    '\r\n',
  ].join('\r\n');
  const sockets = Array.from({ length: 1_100 }, () => {
    return connect({ port, host: '127.0.0.1', allowHalfOpen: true }).on('error', () => {});
  });
  try {
    for (const socket of sockets) socket.write(upgrade);
    await Promise.all(sockets.slice(0, 10).map((socket) => once(socket.resume(), 'end')));
    const admitted = client(server, { apiKey: 'open sesame', patienceMs: 3_000 });
    expect(actionsOf(await admitted.request(observation([1, 2])))).toEqual([12, 1, 2, 1]);
  } finally {
    for (const socket of sockets) socket.destroy();
  }
});

test.each([
  [{ apiKey: 'ключ' }, 'ERR_DSRL_SERVE_KEY'],
  [{ apiKey: 'two\nlines' }, 'ERR_DSRL_SERVE_KEY'],
  [{ largestBatch: 0 }, 'ERR_DSRL_SERVE_LIMIT'],
  [{ maxMessageBytes: 0 }, 'ERR_DSRL_SERVE_LIMIT'],
  [{ maxClients: Number.POSITIVE_INFINITY }, 'ERR_DSRL_SERVE_LIMIT'],
  [{ clientTimeoutMs: Number.NaN }, 'ERR_DSRL_SERVE_LIMIT'],
  [{ batchWindowMs: 2 ** 31 }, 'ERR_DSRL_SERVE_LIMIT'],
])('%o is refused before anything listens', async (options, code) => {
  await expect(start(options)).rejects.toMatchObject({ code, exitCode: 2 });
});

test('a port that is none is an error before anything listens', async () => {
  await expect(start({ port: 70_000 })).rejects.toMatchObject({ code: 'ERR_DSRL_SERVE_PORT' });
});

test('one client more than the limit is refused, and a place is free again', async () => {
  const { server } = await start({ maxClients: 2 });
  const first = client(server);
  await Promise.all([first.connect(), client(server).connect()]);
  await expect(client(server).connect()).rejects.toMatchObject({
    message: expect.stringContaining('503'),
    hint: expect.stringContaining('--max-clients'),
  });
  first.close();
  await expect.poll(() => server.clients).toBe(1);
  await client(server).connect();
});

test('1,000 connections leave the clients that are in served', async () => {
  const { server } = await start({ maxClients: 8 });
  const served = client(server);
  await served.connect();
  const port = Number(new URL(server.url).port);
  const sockets = Array.from({ length: 1_000 }, () =>
    connect(port, '127.0.0.1').on('error', () => {}),
  );
  await sleep(300);
  expect(actionsOf(await served.request(observation([1, 2])))).toEqual([12, 1, 2, 1]);
  for (const socket of sockets) socket.destroy();
});

test('each of 1,000 clients is let in or told 503', async () => {
  const { server } = await start({ maxClients: 8 });
  const sockets = Array.from({ length: 1_000 }, () => new WebSocket(server.url));
  const outcomes = await Promise.all(
    sockets.map(async (socket) => {
      return new Promise<string>((resolve) => {
        socket.once('open', () => resolve('open'));
        socket.once('error', (error) => resolve(error.message));
      });
    }),
  );
  expect(new Set(outcomes)).toEqual(new Set(['open', 'Unexpected server response: 503']));
  expect(outcomes.filter((outcome) => outcome === 'open')).toHaveLength(8);
  for (const socket of sockets) socket.terminate();
});

test('a handshake that stops half-way is dropped', async () => {
  const { server } = await start({ clientTimeoutMs: 200 });
  const socket = connect(Number(new URL(server.url).port), '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\nUpgrade: websoc');
  socket.on('error', () => {});
  socket.resume();
  await once(socket, 'close');
});

test('a client that does not read its answers is dropped and holds nobody', async () => {
  const { server } = await start({ clientTimeoutMs: 300 });
  const { socket, closed } = await bare(server);
  socket.pause();
  const large = encode({ ...observation([1, 2]), padding: new Uint8Array(1 << 20) });
  for (let count = 0; count < 50; count++) socket.send(large);
  expect(actionsOf(await client(server).request(observation([1, 2])))).toEqual([12, 1, 2, 1]);
  socket.terminate();
  await closed;
  await expect.poll(() => server.clients).toBe(1);
});

test('closing answers what is being computed, then says goodbye', async () => {
  const { server } = await start({}, 200);
  const idle = await bare(server);
  const answer = client(server).request(observation([1, 2]));
  await expect.poll(() => server.clients).toBe(2);
  await sleep(50);
  await server.close();
  expect(actionsOf(await answer)).toEqual([12, 1, 2, 1]);
  expect(await idle.closed).toBe(1001);
  await expect(client(server).connect()).rejects.toMatchObject({
    code: 'ERR_DSRL_REMOTE_UNREACHABLE',
  });
});

test('a signal closes the server', async () => {
  const controller = new AbortController();
  const { server } = await start({ signal: controller.signal });
  const { closed } = await bare(server);
  controller.abort();
  expect(await closed).toBe(1001);
});
