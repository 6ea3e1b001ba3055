import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, test } from 'vitest';
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
])('%s is refused', async (words, code, text) => {
  const { stderr, ended } = serve(...words);
  expect((await ended)[0]).toBe(code);
  expect(stderr()).toContain(text);
});
