// One installed tarball with cores for two torches, one of them a CUDA build, on a machine without
// a driver: it says so, refuses a GPU, and trains on the CPU.

import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { openLoader } from '../../lib/torch/loader.js';
import { currentSurroundings } from '../../lib/torch/surroundings.js';
import { exportedSymbols, neededLibraries, runPaths } from '../../scripts/prebuild/elf.mjs';
import { findCudaTorch } from './support/cuda-torch.js';
import { type Environment, installInto, poorMachine, runIn } from './support/machine.js';
import { packTarball, root, temporaryFolder, torchHome } from './support/tarball.js';

const found = findCudaTorch();
const driver = openLoader(currentSurroundings()).cudaDriver();
const reason = 'why' in found ? found.why : driver.present ? 'there is an NVIDIA driver' : '';
const cuda = 'why' in found ? { home: '', version: '' } : found;

describe.skipIf(reason !== '')(`a CUDA build of torch${reason && ` (${reason})`}`, () => {
  const folder = temporaryFolder();
  const user = join(folder, 'user');
  let env: Environment;
  let tarball: ReturnType<typeof packTarball>;

  beforeAll(() => {
    tarball = packTarball(folder, [torchHome(), cuda.home]);
    env = poorMachine(folder, cuda.home);
    installInto(user, tarball.file, ['--ignore-scripts'], env);
  }, 1_800_000);

  const typed = (words: string[], more: Environment = {}) =>
    runIn(user, 'npx', ['dsrl-native', ...words], { ...env, ...more });
  const train = (run: string, device: string, more: Environment = {}) => {
    const brief = ['runner.max_steps=1', 'algorithm.update_epoch=2', 'env.train.total_num_envs=2'];
    const words = ['train', 'tabletop', '--run-dir', run, '--device', device, ...brief];
    return typed(words, more);
  };

  test('the tarball has both cores, the kernels, and no torch', () => {
    const paths = tarball.entries.map(({ path }) => path);
    expect(paths.filter((path) => path.endsWith('dsrl_core.node'))).toHaveLength(2);
    expect(paths.filter((path) => /libtorch|libc10|libcuda|libnv/.test(path))).toEqual([]);
    expect(statSync(tarball.file).size).toBeLessThan(25e6);
  });

  test('the kernels need torch and its CUDA runtime alone, and export one symbol', () => {
    const core = join(user, 'node_modules', 'dsrl-native', 'prebuilds', 'linux-x64');
    const minor = cuda.version.split('.').slice(0, 2).join('.');
    const place = join(core, `torch${minor}`);
    const [record] = JSON.parse(readFileSync(join(place, 'build.json'), 'utf8')).cuda;
    const plugin = join(place, record.file);
    expect(neededLibraries(plugin)).toEqual(record.needed);
    const major = record.version.split('.')[0];
    const system = /^(ld-linux-x86-64\.so\.2|lib(c|m|gcc_s|stdc\+\+)\.so\.\d)$/;
    expect(record.needed.filter((name: string) => !system.test(name))).toEqual([
      'libc10.so',
      'libc10_cuda.so',
      `libcudart.so.${major}`,
    ]);
    expect(runPaths(plugin)).toEqual([]);
    expect(exportedSymbols(plugin)).toEqual(['dsrl_cuda_plugin']);
  });

  test('doctor: a CUDA build, its kernels, and no driver', () => {
    const { code, stdout } = typed(['doctor', '--json']);
    expect(code).toBe(0);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({
      ok: true,
      checkout: false,
      torch: { chosen: { version: cuda.version } },
      cuda: { driver: { present: false }, usable: { ok: false }, plugin: { ok: true } },
    });
    expect(report.cuda.build).toMatch(/^\d+\.\d+$/);
    expect(report.cuda.usable.detail).toContain('no NVIDIA driver');
    expect(report.cores).toHaveLength(2);
    expect(report.cores.filter(({ file }: { file: string }) => file.startsWith(root))).toEqual([]);
  });

  test('--device cuda ends with 3 and says why', () => {
    const { code, stdout, stderr } = train('refused', 'cuda');
    expect([code, stdout]).toEqual([3, '']);
    expect(stderr).toContain('device cuda cannot be used: there is no NVIDIA driver');
  });

  test('--device auto trains on the CPU, with one warning', () => {
    const { code, stderr } = train('fallen back', 'auto');
    expect([code, code === 0 ? '' : stderr]).toEqual([0, '']);
    const warnings = stderr.split('\n').filter((line) => line.includes('Warning:'));
    expect(warnings).toEqual([expect.stringContaining('[DSRL_CPU_FALLBACK]')]);
    expect(stderr.match(/computing on the CPU/g)).toHaveLength(1);
    expect(metricsOf('fallen back')).toHaveLength(1);
  });

  test("the set-up's torch works from the same package, without a warning", () => {
    const { code, stderr } = train('other', 'auto', { DSRL_TORCH_HOME: torchHome() });
    expect([code, code === 0 ? '' : stderr]).toEqual([0, '']);
    expect(stderr).not.toContain('Warning:');
    expect(metricsOf('other')).toHaveLength(1);
  });

  function metricsOf(run: string): string[] {
    return readFileSync(join(user, run, 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n');
  }
});
