// What runs on a machine that there are no binaries for, seen from a process that believes to be
// on one.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { packageVersion } from '../../lib/torch/platform.js';
import { packageRoot } from '../../lib/torch/surroundings.js';
import { temporaryFolder } from './fakes.js';

const folder = temporaryFolder();
const root = packageRoot();
const cache = join(folder, 'cache');
afterEach(() => rmSync(cache, { recursive: true, force: true }));

/** Evaluates a program that has `dsrl`, the package, and prints JSON. */
function on(machine: { platform?: string; arch?: string; musl?: boolean }, body: string) {
  const { platform, arch, musl = false } = machine;
  const script = `
    const claim = (name, value) => Object.defineProperty(process, name, { value });
    if (${JSON.stringify(platform ?? null)}) claim('platform', ${JSON.stringify(platform)});
    if (${JSON.stringify(arch ?? null)}) claim('arch', ${JSON.stringify(arch)});
    if (${musl}) process.report.getReport = () => ({ header: {} });
    const dsrl = await import(${JSON.stringify(join(root, 'dist', 'index.js'))});
    const thrownBy = (body) => {
      try { body(); return null; }
      catch ({ code, message, hint, exitCode }) { return { code, message, hint, exitCode }; }
    };
    console.log(JSON.stringify(await (async () => { ${body} })()));`;
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: { ...process.env, XDG_CACHE_HOME: cache },
  });
  if (result.status !== 0) throw new Error(result.stderr);
  return JSON.parse(result.stdout);
}

const PLATFORMS = [
  [{ platform: 'darwin', arch: 'arm64' }, 'darwin-arm64', 'container'],
  [{ platform: 'win32' }, 'win32-x64', 'container'],
  [{ arch: 'arm64' }, 'linux-arm64', 'dsrl-native build --torch-home'],
  [{ musl: true }, 'linux-x64 with another C library', 'an image with glibc'],
] as const;

test.each(PLATFORMS)('%j: native code refuses in words', (machine, name, advice) => {
  const error = on(machine, 'return thrownBy(() => dsrl.createRuntime());');
  expect(error).toMatchObject({ code: 'ERR_DSRL_PLATFORM', exitCode: 3 });
  expect(error.message).toContain(`this is ${name}`);
  expect(error.hint).toContain(advice);
  expect(error.hint).toContain('RemotePolicy.connect(url)');
});

test.each(PLATFORMS)('%j: what needs no native code runs', (machine) => {
  const body = `
    const { config } = dsrl.composeConfig({ recipe: 'tabletop', overrides: ['seed=3'] });
    const service = {
      metadata: { name: 'p' },
      read: (request) => request['observation/state'].toFloat32(),
      infer: async (states) => states.map((state) => ({ actions: new dsrl.NdArray(state, [1, 2]) })),
    };
    const server = await dsrl.PolicyServer.listen(service, { port: 0 });
    const policy = await dsrl.RemotePolicy.connect(server.url);
    const { actions } = await policy.infer({ images: {}, state: [1, 2], prompt: '' });
    policy.dispose();
    await server.close();
    const progress = dsrl.createProgress({ format: 'quiet', totalSteps: 1 });
    progress.stop();
    return { seed: config.seed, actions: [...actions] };`;
  expect(on(machine, body)).toEqual({ seed: 3, actions: [1, 2] });
});

test('binaries that were compiled on such a machine are used', () => {
  // The other architecture's are this machine's own: only their place counts here.
  const version = packageVersion(root);
  const place = join(cache, 'dsrl-native', 'native', version, 'linux-arm64', 'Release');
  mkdirSync(place, { recursive: true });
  copyFileSync(join(root, 'build', 'Release', 'dsrl-native.node'), join(place, 'dsrl-native.node'));
  const body = "return dsrl.createRuntime({ device: 'cpu' }).torchVersion;";
  expect(on({ arch: 'arm64' }, body)).toMatch(/^2\.\d+\./);
});
