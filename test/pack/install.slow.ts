import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { makeTorch } from '../torch/fakes.js';
import { type Environment, installInto, poorMachine, runIn } from './support/machine.js';
import { packTarball, root, temporaryFolder, torchHome } from './support/tarball.js';

const folder = temporaryFolder();
const { file } = packTarball(folder);
const user = join(folder, 'user');

let env: Environment;

beforeAll(() => {
  env = poorMachine(folder, torchHome());
  install(user, file, ['--ignore-scripts=false']);
});

/** A minor that the installed package has a core for. */
function torchMinor(place: string): string {
  const names = readdirSync(join(place, 'prebuilds', 'linux-x64'));
  return names.find((name) => /^torch\d/.test(name))?.slice('torch'.length) ?? '';
}

const install = (place: string, tarball: string, options: string[]) =>
  installInto(place, tarball, options, env);

const run = (place: string, command: string, words: string[]) => runIn(place, command, words, env);

/** One call into the core, and what it printed. */
const ONE_CALL = `
const { createRuntime, randomNormal } = await import('dsrl-native');
const runtime = createRuntime({ device: 'cpu' });
const tensor = randomNormal(runtime, 0n, 'test', 0, 1, 4);
console.log(tensor.shape.join(), runtime.torchVersion);`;

function oneCall(place: string) {
  return run(place, 'node', ['--input-type=module', '-e', ONE_CALL]);
}

test('P2 it installs and runs without a compiler', () => {
  expect(oneCall(user)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^1,4 2\./) });
});

test('P2 npx dsrl-native train runs from it', () => {
  const words = ['dsrl-native', 'train', 'tabletop', '--run-dir', 'run', 'runner.max_steps=1'];
  const { code, stderr } = run(user, 'npx', [...words, 'algorithm.update_epoch=2']);
  expect([code, code === 0 ? '' : stderr]).toEqual([0, '']);
  const metrics = readFileSync(join(user, 'run', 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n');
  expect(metrics).toHaveLength(1);
  const verdict = run(user, 'npx', ['dsrl-native', 'doctor', '--json']);
  expect(JSON.parse(verdict.stdout)).toMatchObject({ ok: true, checkout: false });
});

test('P3 it installs where scripts are not run', () => {
  const place = join(folder, 'no scripts');
  install(place, file, ['--ignore-scripts']);
  expect(oneCall(place).code).toBe(0);
});

test('P4 with a binding.gyp and no "gypfile": false the same machine cannot install it', () => {
  const broken = join(folder, 'broken');
  cpSync(join(user, 'node_modules', 'dsrl-native'), broken, { recursive: true });
  const manifest = JSON.parse(readFileSync(join(broken, 'package.json'), 'utf8'));
  delete manifest.gypfile;
  writeFileSync(join(broken, 'package.json'), JSON.stringify({ ...manifest, files: undefined }));
  writeFileSync(join(broken, 'binding.gyp'), "{ 'targets': [] }");
  const options = { cwd: broken, env, encoding: 'utf8' as const };
  const packed = execFileSync('npm', ['pack', '--json', '--ignore-scripts'], options);
  const tarball = join(broken, JSON.parse(packed)[0].filename);
  expect(() => install(join(folder, 'refused'), tarball, ['--ignore-scripts=false'])).toThrow();
});

test('P9 npm exec runs it from an empty folder', () => {
  const place = join(folder, 'empty');
  mkdirSync(place);
  const words = ['exec', '--yes', `--package=${file}`, '--', 'dsrl-native', '--version'];
  expect(run(place, 'npm', words)).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^dsrl-native \d/),
  });
});

test('P10 two copies in one process work side by side on one torch', () => {
  const second = join(folder, 'second');
  install(second, file, ['--ignore-scripts']);
  const entry = join(second, 'node_modules', 'dsrl-native', 'dist', 'index.js');
  const other = ONE_CALL.replace("'dsrl-native'", JSON.stringify(entry));
  const both = `{${ONE_CALL}}\n{${other}}`;
  const { code, stdout } = run(user, 'node', ['--input-type=module', '-e', both]);
  expect([code, stdout.trim().split('\n').length]).toEqual([0, 2]);
});

test('P6 the tests pass on what is published, not on what was built here', () => {
  const suites = ['test/native', 'test/policy', 'test/serve', 'test/train'];
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const { status, stdout } = spawnSync(process.execPath, [vitest, 'run', ...suites], {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, PREBUILDS_ONLY: '1' },
  });
  expect([status, status === 0 ? '' : stdout]).toEqual([0, '']);
});

describe('P7 and P8: what it says of a torch that it cannot use, before anything is opened', () => {
  const minor = () => torchMinor(join(user, 'node_modules', 'dsrl-native'));
  const fake = (name: string, version: string, options?: { libraries: string[] }) =>
    makeTorch(join(folder, name), version, options);
  const verdictOn = (root: string, variable = 'LIBTORCH') => {
    const { DSRL_TORCH_HOME: _, ...rest } = env;
    const result = spawnSync('npx', ['dsrl-native', 'doctor', '--json'], {
      cwd: user,
      env: { ...rest, [variable]: root },
      encoding: 'utf8',
    });
    const { torch } = JSON.parse(result.stdout) as {
      torch: { attempts: { source: string; verdict: string }[] };
    };
    const attempt = torch.attempts.find(({ source }) => source === `${variable}=${root}`);
    return { code: result.status, verdict: attempt?.verdict };
  };

  test('no torch there', () => {
    const expected = { code: 3, verdict: 'no such folder' };
    expect(verdictOn(join(folder, 'nowhere'))).toEqual(expected);
    expect(verdictOn(join(folder, 'nowhere'), 'DSRL_TORCH_HOME')).toEqual(expected);
  });

  test('another minor: its libraries are empty files, and would not open', () => {
    const verdict = 'torch 2.4.1 - no core for 2.4';
    expect(verdictOn(fake('old', '2.4.1'))).toEqual({ code: 3, verdict });
  });

  test('libraries that are missing or damaged', () => {
    const bare = fake('bare', `${minor()}.0`, { libraries: ['libc10.so'] });
    expect(verdictOn(bare)).toEqual({ code: 3, verdict: 'no lib/libtorch_cpu.so in it' });
    const { code, verdict } = verdictOn(fake('damaged', `${minor()}.0`));
    expect([code, verdict]).toEqual([3, expect.stringContaining('file too short')]);
  });

  test('of two candidates the first that fits is taken', () => {
    const old = fake('first', '2.4.1');
    const { DSRL_TORCH_HOME = '', ...rest } = env;
    const both = { ...rest, LIBTORCH: DSRL_TORCH_HOME, VIRTUAL_ENV: old };
    const result = spawnSync('npx', ['dsrl-native', 'doctor', '--json'], {
      cwd: user,
      env: both,
      encoding: 'utf8',
    });
    expect(JSON.parse(result.stdout).torch.chosen.source).toBe(`LIBTORCH=${both.LIBTORCH}`);
  });
});

test('build compiles a core from the installed package, with the real compiler', () => {
  // What a machine with a compiler has besides; Python and CMake are the system's own.
  const rich = { ...env, PATH: process.env.PATH ?? '' };
  const typed = (words: string[]) =>
    spawnSync('npx', ['dsrl-native', ...words], { cwd: user, env: rich, encoding: 'utf8' });
  const modules = ['install', '--no-save', '--no-audit', '--no-fund'];
  const headers = ['node-addon-api', 'node-api-headers'];
  const added = spawnSync('npm', [...modules, ...headers], { cwd: user, env: rich });
  expect(added.status).toBe(0);
  const built = typed(['build', '--torch-home', env.DSRL_TORCH_HOME ?? '']);
  expect(built.status, built.stderr).toBe(0);
  const { core } = JSON.parse(built.stdout);
  expect(core).toContain(join('home', '.cache', 'dsrl-native', 'native'));
  expect(oneCall(user).code).toBe(0);
  const report = JSON.parse(typed(['doctor', '--json']).stdout);
  expect(report.cores.map(({ file }: { file: string }) => file)).toContain(core);
}, 1_800_000);
