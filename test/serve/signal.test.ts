import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { PolicyServer, RemotePolicy, type Service } from '../../lib/index.js';
import { summingService } from './support/service.js';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.close();
});

async function start(
  service: Service<never> = summingService().service as Service<never>,
  onFailure: (error: unknown) => void = () => {},
) {
  const server = await PolicyServer.listen(service, { port: 0, onFailure });
  open.push(server);
  return server;
}

const robot = {
  images: { main: { data: new Uint8Array(12), height: 2, width: 2 } },
  state: [1, 2],
  prompt: '',
};

test('a server whose signal is aborted already does not listen', async () => {
  const holder = createServer().listen(0, '127.0.0.1');
  open.push(holder);
  await once(holder, 'listening');
  const { port } = holder.address() as { port: number };
  const signal = AbortSignal.abort('before');
  // The port is taken: an attempt would fail with that.
  const listening = PolicyServer.listen(summingService().service, { port, signal });
  await expect(listening).rejects.toBe('before');
});

test('a server that is aborted while it begins to listen has ended', async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const listening = PolicyServer.listen(summingService().service, { port: 0, signal });
  controller.abort('meanwhile');
  await expect(listening).rejects.toBe('meanwhile');
});

test('an abort ends the waiting for a server that closes, and not its closing', async () => {
  let answer = () => {};
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const { service } = summingService();
  const slow: Service<never> = {
    ...(service as Service<never>),
    infer: async (observations) => {
      await answered;
      return service.infer(observations);
    },
  };
  const server = await start(slow);
  const remote = await RemotePolicy.connect(server.url);
  const asked = remote.infer(robot);
  await sleep(50); // the request is with the policy
  await expect(server.close(60_000, { signal: AbortSignal.abort('no') })).rejects.toBe('no');
  expect(server.clients).toBe(1);

  const controller = new AbortController();
  const closing = server.close(60_000, controller);
  controller.abort('waited enough');
  await expect(closing).rejects.toBe('waited enough');
  answer();
  await asked; // what was being computed is answered
  await server.close();
  await expect(RemotePolicy.connect(server.url)).rejects.toMatchObject({
    code: 'ERR_DSRL_REMOTE_UNREACHABLE',
  });
});

test('a server that ends with its clients unanswered stops the policy, no failure of it', async () => {
  const { service } = summingService();
  let stopped: unknown;
  const endless: Service<never> = {
    ...(service as Service<never>),
    infer: (_, { signal } = {}) =>
      new Promise((_, reject) => {
        signal?.addEventListener('abort', () => {
          stopped = signal.reason;
          reject(signal.reason);
        });
      }),
  };
  const failures: unknown[] = [];
  const server = await start(endless, (error) => failures.push(error));
  const remote = await RemotePolicy.connect(server.url);
  const asked = expect(remote.infer(robot)).rejects.toMatchObject({
    code: 'ERR_DSRL_REMOTE_DISCONNECTED',
  });
  await sleep(50);
  await server.close(10);
  await asked;
  expect(stopped).toMatchObject({ code: 'ERR_DSRL_SERVE_ENDED' });
  await sleep(50);
  expect(failures).toEqual([]);
});

test('a connection is given up with the reason of the signal', async () => {
  const signal = AbortSignal.abort('before');
  await expect(RemotePolicy.connect('ws://127.0.0.1:1', { signal })).rejects.toBe('before');

  const silent = createServer().listen(0, '127.0.0.1'); // takes connections and says nothing
  open.push(silent);
  await once(silent, 'listening');
  const { port } = silent.address() as { port: number };
  const controller = new AbortController();
  const connecting = RemotePolicy.connect(`ws://127.0.0.1:${port}`, { signal: controller.signal });
  await once(silent, 'connection');
  controller.abort('meanwhile');
  await expect(connecting).rejects.toBe('meanwhile');
});

test('a time limit for the first connection does not end those after it', async () => {
  const limit = new AbortController();
  const { service } = summingService();
  const first = await PolicyServer.listen(service, { port: 0 });
  using remote = await RemotePolicy.connect(first.url, {
    signal: limit.signal,
    patienceMs: 60_000,
  });
  await remote.infer(robot);
  await first.close();
  limit.abort(new Error('too late'));
  const { port } = new URL(first.url);
  open.push(await PolicyServer.listen(service, { port: Number(port) }));
  expect(await remote.infer(robot)).toHaveProperty('actions');

  // A later attempt is left by the request's own signal, and ended with the client.
  for (const server of open.splice(0)) await server.close();
  const own = new AbortController();
  const left = remote.infer(robot, { signal: own.signal });
  own.abort('my own');
  await expect(left).rejects.toBe('my own');
  const ended = expect(remote.infer(robot)).rejects.toMatchObject({
    code: 'ERR_DSRL_REMOTE_CLOSED',
  });
  remote.dispose();
  await ended;
});
