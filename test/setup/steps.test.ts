import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { importScript, SCRIPTS } from './scripts.js';

interface StepOptions {
  hint: string;
  show: boolean;
}

const { run, SetupError } = await importScript<{
  run(name: string, command: string, args: string[], options: StepOptions): Promise<void>;
  SetupError: new () => Error & { hint: string };
}>('setup/steps.mjs');

const folder = mkdtempSync(join(tmpdir(), 'dsrl-setup-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a step that fails says what was run and what to type', () => {
  test('a command that fails, and one that is not there', async () => {
    const options = { show: true, hint: 'mend it' };
    const failing = run('step', process.execPath, ['-e', 'process.exit(7)'], options);
    await expect(failing).rejects.toThrow(SetupError);
    await expect(failing).rejects.toThrow(/^step failed: .* ended with 7$/);
    await expect(failing).rejects.toMatchObject({ hint: 'mend it' });
    const absent = run('step', '/no/such/program', [], options);
    await expect(absent).rejects.toThrow('cannot run /no/such/program');
  });

  test('the native build refuses a folder that is no torch, by its name', () => {
    const script = join(SCRIPTS, 'build-native.mjs');
    const { status, stderr } = spawnSync(process.execPath, [script, '--torch-home', folder], {
      encoding: 'utf8',
    });
    expect(status).toBe(3);
    expect(stderr).toContain(`error: ${folder} is not a torch package`);
  });

  test('a flag that no script knows is one line and exit code 2', () => {
    const script = join(SCRIPTS, 'setup.mjs');
    const { status, stderr } = spawnSync(process.execPath, [script, '--tset'], {
      encoding: 'utf8',
    });
    expect(status).toBe(2);
    expect(stderr).toMatch(/^error: Unknown option '--tset'.*\n$/);
  });
});
