// The programs of docs/embedding.md, as they stand, print what their comments say.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ROOT, readPage } from './markdown.js';

const folder = mkdtempSync(join(tmpdir(), 'dsrl-programs-'));
afterAll(() => rmSync(folder, { recursive: true }));

beforeAll(() => {
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(ROOT, join(folder, 'node_modules', 'dsrl-native'));
  symlinkSync(join(ROOT, 'policies'), join(folder, 'policies'));
});

const programs = [...readPage('docs/embedding.md').matchAll(/^```js\n(.*?)^```$/gms)].map(
  ([, text = '']) => text,
);

it('there are programs', () => expect(programs.length).toBeGreaterThan(2));

it.each(programs.map((text, index) => [index, text] as const))('program %i', (index, text) => {
  const file = join(folder, `${index}.mjs`);
  writeFileSync(file, text);
  const { status, stdout, stderr } = spawnSync(process.execPath, [file], {
    cwd: folder,
    encoding: 'utf8',
  });
  expect(status, stderr).toBe(0);
  const promised = [...text.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm)].map(([, said]) => said);
  expect(promised.length).toBeGreaterThan(0);
  expect(stdout.trim().split('\n')).toEqual(promised);
});
