import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { RemotePolicy } from '../../lib/index.js';

function serve(...words: string[]) {
  const argv = ['bin/dsrl-native.js', 'serve', ...words];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stderr = '';
  child.stderr.on('data', (data) => {
    stderr += data;
  });
  return { child, stderr: () => stderr, ended: once(child, 'close') };
}

test('the command serves a policy until it is told to stop', async () => {
  const { child, ended } = serve('policies/tabletop', '--port', '0', '--device', 'cpu');
  const [url] = await once(createInterface(child.stdout), 'line');
  const policy = await RemotePolicy.connect(url as string);
  const images = { main: { data: new Uint8Array(64 * 64 * 3), height: 64, width: 64 } };
  const { shape } = await policy.infer({ images, state: new Float32Array(8), prompt: 'tidy' });
  expect(shape).toEqual([5, 7]);
  child.kill('SIGINT');
  expect((await ended)[0]).toBe(130);
  policy.dispose();
});

test.each([
  [['no/such/folder'], 2, 'ERR_DSRL_POLICY_MISSING'],
  [[], 2, 'no run, checkpoint or policy folder'],
  [['policies/tabletop', '--host', '0.0.0.0', '--device', 'cpu'], 2, 'ERR_DSRL_SERVE_KEY'],
  [['policies/tabletop', '--api-key-file', 'no/such/file'], 2, 'no/such/file cannot be read'],
  [['policies/tabletop', '--max-message-bytes', '64M'], 2, '--max-message-bytes 64M: a whole'],
  [['policies/tabletop', '--max-message-bytes', '0'], 2, 'at least 1024 is needed'],
  [['policies/tabletop', '--largest-batch', '0'], 2, 'at least 1 is needed'],
  [['policies/tabletop', '--max-clients', '99999999'], 2, 'maxClients is 99999999'],
  [['policies/tabletop', '--client-timeout-ms', '1e3'], 2, '--client-timeout-ms 1e3'],
])('%s is refused', async (words, code, text) => {
  const { stderr, ended } = serve(...words);
  expect((await ended)[0]).toBe(code);
  expect(stderr()).toContain(text);
});

test('the bounds of the command are the bounds of the server', async () => {
  const limits = ['--max-message-bytes', '4096', '--max-clients', '1', '--largest-batch', '2'];
  const words = ['policies/tabletop', '--port', '0', '--device', 'cpu', ...limits];
  const { child, ended } = serve(...words);
  const [url] = await once(createInterface(child.stdout), 'line');
  const socket = new WebSocket(url as string);
  await once(socket, 'message');
  await expect(RemotePolicy.connect(url as string)).rejects.toThrow('503');
  socket.send(new Uint8Array(5_000));
  expect((await once(socket, 'close'))[0]).toBe(1009);
  child.kill('SIGINT');
  expect((await ended)[0]).toBe(130);
});
