import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { SCRIPTS } from './scripts.js';

const folder = mkdtempSync(join(tmpdir(), 'dsrl-setup-'));
const bin = join(folder, 'bin');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeEach(() => {
  rmSync(bin, { recursive: true, force: true });
  mkdirSync(bin);
});

function makeProgram(name: string, body: string): void {
  writeFileSync(join(bin, name), `#!/bin/sh\n${body}\n`);
  chmodSync(join(bin, name), 0o755);
}

/** What the set-up does about system packages when the PATH holds only `bin`, as this user. */
function provide(uid: number): { status: string; message: string; hint: string } {
  const module = pathToFileURL(join(SCRIPTS, 'setup', 'system.mjs')).href;
  const script = `
    process.getuid = () => ${uid};
    const { provideSystemPackages } = await import(${JSON.stringify(module)});
    const answer = { status: 'ready', message: '', hint: '' };
    await provideSystemPackages({ quiet: true }).catch(({ message, hint }) =>
      Object.assign(answer, { status: 'refused', message, hint }));
    console.log(JSON.stringify(answer));`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { PATH: bin },
  });
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout);
}

describe('what the system must give', () => {
  test('a plain user is told what is missing and what to type', () => {
    makeProgram('apt-get', 'exit 1');
    const { status, message, hint } = provide(1000);
    expect(status).toBe('refused');
    expect(message).toContain('a C++20 compiler (g++ 12 or newer)');
    expect(message).toContain('Python 3.10 or newer');
    expect(hint).toMatch(/^type: sudo apt-get update && sudo apt-get install g\+\+ /);
    expect(hint).toContain(' python3 python3-venv');
  });

  test('in the words of the system', () => {
    makeProgram('dnf', 'exit 1');
    expect(provide(1000).hint).toMatch(/^type: sudo dnf install gcc-c\+\+ /);
  });

  test('what is too old is missing', () => {
    makeProgram('g++', 'echo 11');
    makeProgram('make', 'exit 0');
    makeProgram('python3', 'echo "3.9 1"');
    expect(provide(1000).message).toBe(
      'missing on this machine: a C++20 compiler (g++ 12 or newer), Python 3.10 or newer',
    );
    makeProgram('g++', 'echo 12');
    makeProgram('python3', 'echo "3.11 None"');
    expect(provide(1000).message).toBe("missing on this machine: Python's venv module");
    makeProgram('python3', 'echo "3.11 1"');
    expect(provide(1000).status).toBe('ready');
  });

  test('root on Debian gets it installed', () => {
    makeProgram('make', 'exit 0');
    makeProgram('python3', 'echo "3.11 1"');
    const trace = join(folder, 'apt');
    const install = `printf '#!/bin/sh\\necho 12\\n' > '${bin}/g++'; /bin/chmod +x '${bin}/g++'`;
    makeProgram('apt-get', `echo "$@" >> '${trace}'; [ "$1" != install ] || { ${install}; }`);
    expect(provide(0).status).toBe('ready');
    expect(readFileSync(trace, 'utf8')).toBe(
      'update -q\ninstall -y -q --no-install-recommends g++\n',
    );
  });

  test('and is told what to type when that fails', () => {
    makeProgram('apt-get', 'echo no network; exit 100');
    const { status, message, hint } = provide(0);
    expect(status).toBe('refused');
    expect(message).toContain('ended with 100');
    expect(hint).toContain('apt-get install g++');
  });
});
