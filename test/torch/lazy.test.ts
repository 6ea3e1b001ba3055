import childProcess from 'node:child_process';
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { afterEach, expect, test, vi } from 'vitest';

afterEach(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});

test('importing lib/torch reads no file and starts no program', async () => {
  const watched = [
    vi.spyOn(fs, 'existsSync'),
    vi.spyOn(fs, 'readFileSync'),
    vi.spyOn(fs, 'readdirSync'),
    vi.spyOn(fs, 'accessSync'),
    vi.spyOn(childProcess, 'spawnSync'),
    vi.spyOn(process, 'dlopen'),
  ];
  syncBuiltinESMExports();
  const { loadNative } = await import('../../lib/torch/index.js');
  const called = () => watched.filter((spy) => spy.mock.calls.length > 0);
  expect(called()).toEqual([]);
  // The watch can see: a call that must look for torch does read.
  expect(() => loadNative({ torchHome: '/nowhere' })).toThrow();
  expect(called()).not.toEqual([]);
});
