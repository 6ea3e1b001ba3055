import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { EnvironmentSetupError, RuntimeFailure } from '../../lib/errors.js';
import { AppendFile, replaceFile } from '../../lib/log/files.js';
import { temporaryFolder } from './support/folder.js';

test('appends behind what is there, and makes the folder', async () => {
  const path = join(temporaryFolder(), 'a', 'b', 'log');
  for (const text of ['one\n', 'two\n']) {
    const file = new AppendFile(path);
    file.append(Buffer.from(text));
    await file.flush();
    file.close();
  }
  expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n');
});

test('a file that must be new is not opened twice', () => {
  const path = join(temporaryFolder(), 'log');
  new AppendFile(path, 'wx').close();
  expect(() => new AppendFile(path, 'wx')).toThrow(EnvironmentSetupError);
});

test('a full disk is an error that names the file and says how to go on', () => {
  const file = new AppendFile('/dev/full');
  try {
    file.append(Buffer.from('x'));
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(RuntimeFailure);
    expect(error).toMatchObject({
      code: 'ERR_DSRL_LOG_WRITE',
      exitCode: 1,
      message: expect.stringContaining('/dev/full'),
      hint: expect.stringContaining('--resume last'),
    });
  } finally {
    file.release();
  }
});

test('a replacement that fails leaves the old content and no second file', () => {
  const folder = temporaryFolder();
  const path = join(folder, 'log');
  writeFileSync(path, 'old');
  replaceFile(path, 'new');
  expect(readFileSync(path, 'utf8')).toBe('new');
  mkdirSync(join(folder, 'folder'));
  expect(() => replaceFile(join(folder, 'folder'), 'a file in its place')).toThrow();
  expect(readdirSync(folder).sort()).toEqual(['folder', 'log']);
});
