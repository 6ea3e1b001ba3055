// The reference of the public API, made by TypeDoc: whatever is exported is documented, and what a
// signature mentions is exported. Its warnings are errors (typedoc.json).

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { ROOT } from './markdown.js';

const folder = mkdtempSync(join(tmpdir(), 'dsrl-api-'));
afterAll(() => rmSync(folder, { recursive: true }));

function typedoc(...words: string[]) {
  const program = join(ROOT, 'node_modules', 'typedoc', 'bin', 'typedoc');
  const argv = [program, '--emit', 'none', ...words];
  return spawnSync(process.execPath, argv, { cwd: ROOT, encoding: 'utf8' });
}

it('every public export is documented', () => {
  const { status, stdout, stderr } = typedoc();
  expect(stdout + stderr).not.toContain('warning');
  expect(status).toBe(0);
});

it('a planted export without a word is seen', () => {
  const file = join(folder, 'planted.ts');
  writeFileSync(file, 'export interface Planted { size: number }\n');
  const tsconfig = join(folder, 'tsconfig.json');
  const compilerOptions = { module: 'NodeNext', strict: true, types: [], skipLibCheck: true };
  writeFileSync(tsconfig, JSON.stringify({ compilerOptions, files: ['planted.ts'] }));
  const options = JSON.parse(readFileSync(join(ROOT, 'typedoc.json'), 'utf8'));
  const own = { ...options, entryPoints: [file], tsconfig, intentionallyNotExported: [] };
  const settings = join(folder, 'typedoc.json');
  writeFileSync(settings, JSON.stringify({ ...own, readme: 'none' }));
  const { status, stdout, stderr } = typedoc('--options', settings);
  expect(stdout + stderr).toContain('Planted');
  expect(status).not.toBe(0);
});
