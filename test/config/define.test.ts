import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { composeConfig, defineConfig } from '../../lib/index.js';

const root = fileURLToPath(new URL('../../', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'dsrl-define-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('a definition is its recipe with its keys', () => {
  const defined = defineConfig({
    recipe: 'tabletop',
    seed: 3,
    algorithm: { gamma: 0.99, tau: `\${algorithm.gamma}` },
    overrides: ['runner.max_steps=5'],
  });
  const overrides = ['seed=3', 'algorithm.gamma=0.99', 'algorithm.tau=0.99', 'runner.max_steps=5'];
  expect(defined).toEqual(composeConfig({ recipe: 'tabletop', overrides }).config);
});

it('the compiler knows the keys, and what it cannot know is an error with the place', () => {
  // @ts-expect-error there is no key `gama`
  expect(() => defineConfig({ algorithm: { gama: 0.99 } })).toThrow('algorithm.gama');
  // @ts-expect-error there is no key `trian`
  expect(() => defineConfig({ env: { trian: { total_num_envs: 3 } } })).toThrow('env.trian');
  // @ts-expect-error there is no such device
  expect(() => defineConfig({ device: 'tpu' })).toThrow('device');
  // @ts-expect-error there is no such environment
  expect(() => defineConfig({ env: { train: { env_type: 'tabeltop' } } })).toThrow('env_type');
  // @ts-expect-error a seed is a number
  expect(() => defineConfig({ seed: 'three' })).toThrow('seed');
  expect(() => defineConfig({ algorithm: { gamma: 2 } })).toThrow(
    /defineConfig:.*algorithm\.gamma/,
  );
  expect(() => defineConfig({ recipe: 'tabletopp' })).toThrow('tabletopp');
});

/** The command line in a folder where a program finds the package. */
function command(...words: string[]) {
  const argv = [join(root, 'bin', 'dsrl-native.js'), ...words];
  return spawnSync(process.execPath, argv, { cwd: folder, encoding: 'utf8' });
}

mkdirSync(join(folder, 'node_modules'));
symlinkSync(root, join(folder, 'node_modules', 'dsrl-native'));
writeFileSync(
  join(folder, 'mine.mjs'),
  `import { defineConfig } from 'dsrl-native';
   export default defineConfig({ seed: 7, runner: { logger: { experiment_name: 'mine' } } });`,
);

it('`train -c` takes a module, overrides on top', () => {
  const { status, stdout, stderr } = command('train', '-c', 'mine.mjs', '--dry-run', 'seed=8');
  expect(status, stderr).toBe(0);
  expect(stdout + stderr).toMatch(/mine-.*-s8/);
});

it('`config` takes it too', () => {
  const valid = command('config', 'validate', 'mine.mjs');
  expect(valid).toMatchObject({ status: 0, stdout: 'mine.mjs: valid\n', stderr: '' });
  const { stdout } = command('config', 'cat', './mine.mjs', 'algorithm.gamma=0.9');
  const overrides = ['seed=7', 'runner.logger.experiment_name=mine', 'algorithm.gamma=0.9'];
  const { config } = composeConfig({ recipe: 'tabletop', overrides });
  expect(composeConfig({ text: { name: 'printed', yaml: stdout } }).config).toEqual(config);
});

it('`eval` takes it for the frozen policy alone', () => {
  const words = ['--policy-only', '--json', 'env.eval.trials=[0,2]', 'device=cpu'];
  const { status, stdout, stderr } = command('eval', 'mine.mjs', ...words);
  expect(status, stderr).toBe(0);
  expect(JSON.parse(stdout).episodes).toBe(8);
  expect(command('eval', './mine.mjs')).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('./mine.mjs is a configuration, it has no agent'),
  });
});

it.each([
  ['nothing.mjs', null, 'there is no such file', ['train', '--dry-run', '-c']],
  ['empty.mjs', 'export const config = {};', 'its default export', ['config', 'validate']],
  ['broken.mjs', 'throw new Error("no robot");', 'no robot', ['eval', '--policy-only']],
])('%s is refused in words', (file, text, why, words) => {
  if (text !== null) writeFileSync(join(folder, file), text);
  const { status, stderr } = command(...words, file);
  expect(status).toBe(2);
  expect(stderr).toContain(`${file}: ${why}`);
  expect(stderr).toContain('defineConfig');
});
