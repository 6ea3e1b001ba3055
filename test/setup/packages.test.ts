import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { importScript } from './scripts.js';

const { packagesAreCurrent } = await importScript<{
  packagesAreCurrent(folder: string): boolean;
}>('setup/packages.mjs');

const folder = mkdtempSync(join(tmpdir(), 'dsrl-setup-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Entry {
  version?: string;
  optional?: boolean;
  link?: boolean;
}

const LOCK: Record<string, Entry> = {
  '': {},
  'node_modules/yaml': { version: '2.9.1' },
  'node_modules/other-platform': { version: '1.0.0', optional: true },
};

/** Is a checkout with this lock file and these installed packages up to date? */
function isCurrent(wanted: Record<string, Entry>, installed: Record<string, Entry> | null) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, 'node_modules'), { recursive: true });
  writeFileSync(join(folder, 'package-lock.json'), JSON.stringify({ packages: wanted }));
  if (installed !== null) {
    const file = join(folder, 'node_modules', '.package-lock.json');
    writeFileSync(file, JSON.stringify({ packages: installed }));
  }
  return packagesAreCurrent(folder);
}

test('what was installed is what the lock file asks for', () => {
  expect(isCurrent(LOCK, { 'node_modules/yaml': { version: '2.9.1' } })).toBe(true);
  expect(isCurrent(LOCK, { ...LOCK })).toBe(true);
});

test('nothing installed, a package missing, another version: npm ci is due', () => {
  expect(isCurrent(LOCK, null)).toBe(false);
  expect(isCurrent(LOCK, {})).toBe(false);
  expect(isCurrent(LOCK, { 'node_modules/yaml': { version: '2.9.0' } })).toBe(false);
  const optionalOfOtherVersion = {
    'node_modules/yaml': { version: '2.9.1' },
    'node_modules/other-platform': { version: '0.9.0' },
  };
  expect(isCurrent(LOCK, optionalOfOtherVersion)).toBe(false);
});
