import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { findCores } from '../../lib/torch/cores.js';
import { findTorchWithCore } from '../../lib/torch/load.js';
import { currentSurroundings, type Surroundings } from '../../lib/torch/surroundings.js';
import { forgetFailures } from '../../lib/torch/trial.js';
import {
  emptySurroundings,
  makeLibrary,
  makePackage,
  makeTorch,
  temporaryFolder,
  thrownBy,
} from './fakes.js';

const folder = temporaryFolder();
const real = currentSurroundings();
const realTorch = JSON.parse(readFileSync(join(real.packageRoot, 'build', 'torch.json'), 'utf8'));
const [core] = findCores(real);
const minor = core?.minor ?? '';
const CRASH = '__attribute__((constructor)) static void crash(void) { *(volatile int *)0 = 1; }';

let around: Surroundings;
const verdicts = join(folder, 'home', '.cache', 'dsrl-native', 'verdicts');

beforeEach(() => {
  rmSync(verdicts, { recursive: true, force: true });
  // An installed package with the real loader and core: it has no record of a set-up.
  const root = makePackage(join(folder, 'package'), [minor]);
  const prebuilds = join(root, 'prebuilds', 'linux-x64');
  mkdirSync(prebuilds, { recursive: true });
  copyFileSync(
    join(real.packageRoot, 'build', 'Release', 'dsrl-native.node'),
    join(prebuilds, 'dsrl-native.node'),
  );
  copyFileSync(core?.file ?? '', join(prebuilds, `torch${minor}`, 'dsrl_core.node'));
  around = emptySurroundings(folder, root);
});

function crashingTorch(name: string): string {
  const root = makeTorch(join(folder, name), `${minor}.9`);
  makeLibrary(join(root, 'lib', 'libc10.so'), CRASH);
  return root;
}

describe('a torch that this package has not met is opened in a child process first', () => {
  test('one that works is opened once, and again when it has changed', () => {
    const find = () => findTorchWithCore(realTorch.root, around).torch.root;
    expect(find()).toBe(realTorch.root);
    const [file, ...others] = readdirSync(verdicts);
    expect(others).toEqual([]);
    expect(JSON.parse(readFileSync(join(verdicts, file ?? ''), 'utf8'))).toEqual({ failure: null });
    expect(find()).toBe(realTorch.root);
    expect(readdirSync(verdicts)).toEqual([file]);
    utimesSync(
      join(around.packageRoot, 'prebuilds', 'linux-x64', `torch${minor}`, 'dsrl_core.node'),
      1,
      1,
    );
    expect(find()).toBe(realTorch.root);
    expect(readdirSync(verdicts)).toHaveLength(2);
  });

  test('a crash there is an error here, and is remembered', () => {
    const torchHome = crashingTorch('crashing');
    const find = () => thrownBy(() => findTorchWithCore(torchHome, around));
    const expected = {
      code: 'ERR_DSRL_TORCH_CRASH',
      exitCode: 3,
      message: expect.stringContaining('SIGSEGV'),
      hint: expect.stringContaining(`dsrl-native build --torch-home ${torchHome}`),
    };
    expect(find()).toMatchObject(expected);
    expect(readdirSync(verdicts)).toHaveLength(1);
    expect(find()).toMatchObject(expected);
  });

  test('another library beside, another search path, and doctor, have it tried again', () => {
    const torchHome = crashingTorch('mended');
    const find = (env: Surroundings['env'] = { PATH: '' }) =>
      thrownBy(() => findTorchWithCore(torchHome, { ...around, env }));
    const count = () => readdirSync(verdicts).length;
    find();
    find();
    expect(count()).toBe(1);
    writeFileSync(join(torchHome, 'lib', 'libgomp.so.1'), '');
    find();
    expect(count()).toBe(2);
    find({ PATH: '', LD_LIBRARY_PATH: '/opt/lib' });
    expect(count()).toBe(3);
    writeFileSync(join(verdicts, 'works.json'), JSON.stringify({ failure: null }));
    forgetFailures(around);
    expect(readdirSync(verdicts)).toEqual(['works.json']);
  });

  test('the search goes on behind one that crashes', () => {
    const env = { PATH: '', LIBTORCH: crashingTorch('first'), XDG_CACHE_HOME: join(folder, 'xdg') };
    const error = thrownBy(() => findTorchWithCore(undefined, { ...around, env }));
    const verdict = expect.stringContaining('in a process of its own ended with SIGSEGV');
    expect(error).toMatchObject({
      code: 'ERR_DSRL_TORCH_NOT_FOUND',
      attempts: expect.arrayContaining([
        { source: `LIBTORCH=${env.LIBTORCH}`, verdict },
        { source: 'libtorch of the system', verdict: 'not installed' },
      ]),
    });
  });

  test('a library of another version than the text beside it says', () => {
    const torchHome = makeTorch(join(folder, 'liar'), `${minor}.9`);
    makeLibrary(join(torchHome, 'lib', 'libc10.so'), 'int nothing;');
    makeLibrary(
      join(torchHome, 'lib', 'libtorch_cpu.so'),
      'unsigned long aoti_torch_abi_version(void) { return 0x020c000000000000UL; }',
    );
    expect(thrownBy(() => findTorchWithCore(torchHome, around))).toMatchObject({
      code: 'ERR_DSRL_TORCH_ABI',
      message: expect.stringContaining('is version 2.12, although it calls itself'),
    });
  });

  test('a damaged cache, and one that cannot be written, cost a trial and no more', () => {
    const find = (env: Surroundings['env']) =>
      findTorchWithCore(realTorch.root, { ...around, env }).torch.root;
    const env = { XDG_CACHE_HOME: join(around.packageRoot, 'package.json') };
    expect(find(env)).toBe(realTorch.root);
    // Node's own way of making folders does not return from there.
    expect(find({ XDG_CACHE_HOME: '/proc/nowhere' })).toBe(realTorch.root);
    expect(find({})).toBe(realTorch.root);
    const [file = ''] = readdirSync(verdicts);
    spawnSync('sh', ['-c', `echo '{' > "${join(verdicts, file)}"`]);
    expect(find({})).toBe(realTorch.root);
    expect(JSON.parse(readFileSync(join(verdicts, file), 'utf8'))).toEqual({ failure: null });
  });
});
