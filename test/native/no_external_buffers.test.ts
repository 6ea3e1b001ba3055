import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'dsrl-buffers-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const library = new URL('../../dist/index.js', import.meta.url).href;
const program = fileURLToPath(new URL('no_external_buffers.mjs', import.meta.url));
const root = fileURLToPath(new URL('../..', import.meta.url));

function run(name: string, env: Record<string, string>) {
  const { stdout, stderr } = spawnSync(process.execPath, [program, library, join(folder, name)], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

let usual: ReturnType<typeof run>;
let refused: ReturnType<typeof run>;
beforeAll(() => {
  usual = run('usual', { DSRL_NO_EXTERNAL_BUFFERS: '0' });
  refused = run('refused', { DSRL_NO_EXTERNAL_BUFFERS: '1' });
});

test('where Node allows no arrays over native memory a view is refused in words', () => {
  expect(usual).toMatchObject({ zeroCopy: true, view: [1, 2, 3, 4] });
  expect(refused).toMatchObject({
    zeroCopy: false,
    view: {
      code: 'ERR_DSRL_NO_EXTERNAL_BUFFERS',
      message: 'this runtime allows no arrays over native memory: use read(), which copies',
      hint: 'call read(), or read(into) with an array of your own; runtime.zeroCopy tells before',
    },
  });
});

test('everything else does there what it does elsewhere', () => {
  const { zeroCopy: _, view: __, ...rest } = refused;
  expect(rest.read).toEqual([1, 2, 3, 4]);
  expect(rest.filmed).toHaveLength(2);
  expect(rest.inferred).toHaveLength(35);
  expect(usual).toMatchObject(rest);
});
