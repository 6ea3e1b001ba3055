import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { packageRoot } from '../../lib/torch/surroundings.js';
import { makeLibrary, temporaryFolder } from './fakes.js';

const folder = temporaryFolder();
const LOADER = join(packageRoot(), 'build', 'Release', 'dsrl-native.node');

/** Evaluates an expression with the loader in a process of its own. */
function inNode(expression: string, env: Record<string, string> = {}) {
  const script = `const loader = require(${JSON.stringify(LOADER)});
    console.log(JSON.stringify(${expression}) ?? null);`;
  return spawnSync(process.execPath, ['-e', script], {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
}

/** A driver that answers as it is told. */
function driverSource(init: number, devices: number): string {
  return `
    int cuInit(unsigned flags) { return ${init}; }
    int cuDriverGetVersion(int* version) { *version = 13010; return 0; }
    int cuDeviceGetCount(int* count) { *count = ${devices}; return 0; }`;
}

describe('what the NVIDIA driver says', () => {
  test.each([
    ['two GPUs', driverSource(0, 2), { version: 13010, devices: 2, error: '' }],
    [
      'no GPU',
      driverSource(100, 0),
      { version: 13010, devices: 0, error: 'the driver answers with CUDA error 100' },
    ],
    [
      'no driver in it',
      'int other(void) { return 0; }',
      {
        version: 0,
        devices: 0,
        error: 'libcuda.so.1 lacks cuInit, cuDriverGetVersion or cuDeviceGetCount',
      },
    ],
  ])('%s', (name, source, expected) => {
    const place = join(folder, name);
    makeLibrary(join(place, 'libcuda.so.1'), source);
    const { stdout } = inNode('loader.cudaDriver()', { LD_LIBRARY_PATH: place });
    expect(JSON.parse(stdout)).toEqual({ present: true, ...expected });
  });
});

describe('how libraries are opened', () => {
  const needed = () => makeLibrary(join(folder, 'libneeded.so'), 'int needed(void) { return 1; }');
  const needing = () =>
    makeLibrary(
      join(folder, 'libneeding.so'),
      'int needed(void); int needing(void) { return needed(); }',
    );
  const open = (env: Record<string, string>) =>
    inNode(`loader.preload(${JSON.stringify([needed(), needing()])})`, env);

  test('one library does not see the symbols of another that was opened', () => {
    const { status, stderr } = open({ DSRL_DLOPEN_GLOBAL: '0' });
    expect(status).not.toBe(0);
    expect(stderr).toContain('undefined symbol: needed');
  });

  test('DSRL_DLOPEN_GLOBAL=1 lets it', () => {
    expect(open({ DSRL_DLOPEN_GLOBAL: '1' })).toMatchObject({ status: 0, stdout: 'null\n' });
  });
});
