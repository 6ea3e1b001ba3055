import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { Environments, ResetList } from '../../lib/envs/index.js';
import {
  createRuntime,
  LiberoBackend,
  type LiberoBackendOptions,
  readTensors,
  Tensor,
  writeTensors,
} from '../../lib/native/index.js';
import { defaultLiberoBundle, readLiberoBundle } from '../../lib/native/libero-bundle.js';
import { whyNoLibero } from '../support/libero.js';

// What is wrong with a bundle, a MuJoCo, a library of OpenGL or an episode is said by name. Actions
// that cannot be executed: native_backend.test.ts; the original's workers: python_backend.test.ts.

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));
const reason = whyNoLibero();
const runtime = createRuntime({ device: 'cpu' });
const folder = mkdtempSync(join(tmpdir(), 'dsrl-libero-bad-'));
afterAll(() => rmSync(folder, { recursive: true }));
afterEach(() => vi.unstubAllEnvs());

/** A library of C, compiled into a folder of its own. */
function compile(name: string, source: string, ...words: string[]): string {
  const file = join(mkdtempSync(join(folder, 'lib-')), name);
  const from = path(`test/libero/${source}`);
  const given = ['-shared', '-fPIC', ...words, '-o', file, from, '-ldl'];
  const { status, stderr } = spawnSync(process.env.CC ?? 'cc', given, { encoding: 'utf8' });
  expect({ status, stderr }).toMatchObject({ status: 0 });
  return file;
}

function open(more: Partial<LiberoBackendOptions> = {}): LiberoBackend {
  return new LiberoBackend(runtime, { numEnvs: 1, threads: 1, cameras: [], ...more });
}

/** What opening it throws. */
function refusal(more: Partial<LiberoBackendOptions> = {}): unknown {
  try {
    open(more);
  } catch (error) {
    return error;
  }
  return null;
}

const said = (code: string, exitCode: number, message: string, hint = '') =>
  expect.objectContaining({
    code: `ERR_DSRL_${code}`,
    exitCode,
    message: expect.stringContaining(message),
    hint: expect.stringContaining(hint),
  });

describe.skipIf(reason)(`bad input of LIBERO${reason ? ` (${reason})` : ''}`, () => {
  const whole = reason ? '' : defaultLiberoBundle();

  /** The bundle under another name, of links; nothing of it is compiled yet. */
  function linkedBundle(): string {
    const bundle = mkdtempSync(join(folder, 'bundle-'));
    for (const name of readdirSync(whole)) {
      if (name !== 'compiled') symlinkSync(join(whole, name), join(bundle, name));
    }
    return bundle;
  }

  /** Puts a copy in the place of a link, to be changed. */
  function own(bundle: string, name: string): string {
    const file = join(bundle, name);
    rmSync(file);
    cpSync(join(whole, name), file, { recursive: true });
    return file;
  }

  describe('a bundle', () => {
    test('that is missing', () => {
      const nowhere = join(folder, 'nowhere');
      const message = `no ${join(nowhere, 'bundle.json')}`;
      expect(refusal({ bundle: nowhere })).toEqual(
        said('LIBERO_BUNDLE', 3, message, 'dsrl-native libero setup'),
      );
    });

    test('of another suite', () => {
      expect(refusal({ suite: 'libero_goal' })).toEqual(
        said('ENV_INPUT', 2, 'the bundle is of libero_spatial', 'libero-python'),
      );
    });

    test.each(['scene.xml', 'init.safetensors'])('with a damaged %s', (name) => {
      const bundle = linkedBundle();
      const before = readLiberoBundle(whole).json.files[name] ?? '';
      const file = own(bundle, name);
      appendFileSync(file, ' ');
      const after = createHash('sha256').update(readFileSync(file)).digest('hex');
      const error = refusal({ bundle });
      expect(error).toEqual(said('LIBERO_BUNDLE', 3, `${file} is damaged`));
      expect(error).toEqual(said('LIBERO_BUNDLE', 3, `${after}, and not ${before}`));
    });

    test('with a damaged mesh, before it is compiled', () => {
      const bundle = linkedBundle();
      const assets = own(bundle, 'assets');
      const mesh = Object.keys(readLiberoBundle(whole).json.files).find((name) =>
        /^assets\/.*\.(obj|stl|msh)$/.test(name),
      ) as string;
      appendFileSync(join(bundle, mesh), ' ');
      expect(refusal({ bundle })).toEqual(said('LIBERO_BUNDLE', 3, `${mesh} is damaged`));
      rmSync(assets, { recursive: true });
      expect(refusal({ bundle })).toEqual(said('LIBERO_BUNDLE', 3, 'the bundle of LIBERO lacks'));
    });

    test('whose bundle.json is no JSON, or lacks a key', () => {
      const bundle = linkedBundle();
      const file = own(bundle, 'bundle.json');
      const json = JSON.parse(readFileSync(file, 'utf8'));
      json.robot.arm_joints = 'none';
      writeFileSync(file, JSON.stringify(json));
      expect(refusal({ bundle })).toEqual(said('LIBERO_BUNDLE', 3, 'robot.arm_joints'));
      writeFileSync(file, '{');
      expect(refusal({ bundle })).toEqual(said('LIBERO_BUNDLE', 3, `${file} is no JSON`));
    });

    test('whose initial states are whole and are not those of its scene', () => {
      const bundle = linkedBundle();
      const states = own(bundle, 'init.safetensors');
      const tensors = readTensors(runtime, states);
      tensors.set('init_states', Tensor.from(runtime, new Float64Array(2 * 3 * 7), [2, 3, 7]));
      writeTensors(runtime, states, tensors);
      const file = own(bundle, 'bundle.json');
      const json = JSON.parse(readFileSync(file, 'utf8'));
      const found = createHash('sha256').update(readFileSync(states)).digest('hex');
      json.files['init.safetensors'] = found;
      writeFileSync(file, JSON.stringify(json));
      // Compiled already, if another test has been here before: the scene is the same.
      mkdirSync(join(bundle, 'compiled'));
      const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex').slice(0, 16);
      const cache = join(whole, 'compiled');
      const compiled = (existsSync(cache) ? readdirSync(cache) : []).find((name) =>
        /^scene-[0-9a-f]{16}\.mjb$/.test(name),
      );
      if (compiled !== undefined) {
        const name = join(bundle, 'compiled', `scene-${sha256}.mjb`);
        symlinkSync(join(whole, 'compiled', compiled), name);
      }
      expect(refusal({ bundle })).toEqual(
        said('LIBERO_BUNDLE', 3, "'init_states' has another type or shape"),
      );
    });
  });

  describe('a MuJoCo', () => {
    const use = (file: string) => vi.stubEnv('DSRL_MUJOCO', file);
    const fake = (version: string) =>
      compile('libmujoco.so', 'fake_mujoco.c', `-DVERSION="${version}"`);

    test('of another version, which only drift admits, and only where it was compiled for', () => {
      use(fake('3.8.1'));
      const hint = 'unset DSRL_MUJOCO';
      expect(refusal()).toEqual(said('LIBERO_MUJOCO', 3, 'is MuJoCo 3.8.1', hint));
      expect(refusal({ allowMujocoDrift: true })).toEqual(
        said('LIBERO_PLUGIN', 3, 'no plugin was compiled for MuJoCo 3.8.1'),
      );
    });

    test('that is none, is not there, or is not complete', () => {
      use(join(folder, 'nothing.so'));
      expect(refusal()).toEqual(said('LIBERO_MUJOCO', 3, 'nothing.so'));
      use(compile('libother.so', 'fake_egl.c'));
      expect(refusal()).toEqual(said('LIBERO_MUJOCO', 3, 'libother.so is no MuJoCo'));
      use(fake(readLiberoBundle().json.mujoco));
      expect(refusal()).toEqual(said('LIBERO_MUJOCO', 3, 'it is no complete MuJoCo'));
    });

    test('reads no scene that another one compiled', () => {
      const bundle = linkedBundle();
      const compiled = join(bundle, 'compiled');
      mkdirSync(compiled);
      const key = readLiberoBundle(bundle).sha256.slice(0, 16);
      const planted = join(compiled, `scene-${key}.mjb`);
      writeFileSync(planted, 'of the bundle');
      const other = join(folder, 'libmujoco.so');
      copyFileSync(join(whole, readLiberoBundle().json.library), other);
      appendFileSync(other, 'the same code under another hash');
      use(other);
      open({ bundle });
      expect(statSync(planted).size).toBe('of the bundle'.length);
      const own = readdirSync(compiled).filter((name) => name.endsWith('.mjb'));
      expect(own).toHaveLength(2);
      rmSync(bundle, { recursive: true }); // 280 MB
    });
  });

  describe('a library of OpenGL', () => {
    const actions = join(folder, 'actions');
    const out = join(folder, 'out');
    beforeAll(() => {
      const tensor = Tensor.from(runtime, new Float64Array(7), [1, 7]);
      writeTensors(runtime, actions, new Map([['actions', tensor]]));
    });

    /** Draws in a process of its own, where `libraries` go before the system's. */
    function draw(gl: string, ...libraries: string[]) {
      rmSync(out, { force: true });
      const scene = ['--env', 'libero_spatial', '--task', '0', '--trial', '0', '--gl', gl];
      const drawn = ['--pictures', '0', '--picture-size', '32'];
      const files = ['--actions', actions, '--out', out];
      const { status, stderr } = spawnSync(
        process.execPath,
        [path('bin/dsrl-native.js'), 'debug', 'replay-env', ...scene, ...drawn, ...files],
        { encoding: 'utf8', env: { ...process.env, LD_LIBRARY_PATH: libraries.join(':') } },
      );
      const picture = existsSync(out) ? readTensors(runtime, out).get('agentview_0')?.read() : null;
      return { status, stderr, picture };
    }
    const folderOf = (library: string) => join(library, '..');

    test('EGL without a device: OSMesa draws instead, and EGL alone says what is missing', () => {
      const egl = folderOf(compile('libEGL.so.1', 'fake_egl.c'));
      const osmesa = draw('osmesa');
      expect(osmesa).toMatchObject({ status: 0, stderr: '' });
      expect(draw('auto', egl)).toEqual(osmesa);
      const alone = draw('egl', egl);
      expect(alone).toMatchObject({ status: 3, picture: null });
      expect(alone.stderr).toMatch(/EGL cannot draw without a screen.*ERR_DSRL_LIBERO_GL/);
      expect(alone.stderr).toContain('apt-get install -y libosmesa6');
    });

    test('none that works: one error that says of each why', () => {
      const broken = mkdtempSync(join(folder, 'lib-'));
      const names = [
        'libEGL.so.1',
        'libEGL.so',
        'libOSMesa.so.8',
        'libOSMesa.so.6',
        'libOSMesa.so',
      ];
      for (const name of names) writeFileSync(join(broken, name), 'no library');
      const { status, stderr, picture } = draw('auto', broken);
      expect({ status, picture }).toEqual({ status: 3, picture: null });
      const both = /nothing can draw.*EGL is not installed.*OSMesa is not installed/;
      expect(stderr).toMatch(both);
      expect(stderr).toContain('(ERR_DSRL_LIBERO_GL)\n  type: apt-get install -y libosmesa6');
    });

    test('a device that does not start is passed over', (context) => {
      const real = spawnSync('/sbin/ldconfig', ['-p'], { encoding: 'utf8' }).stdout;
      const file = /libEGL\.so\.1 .*x86-64.* => (\S+)/.exec(real)?.[1];
      if (file === undefined || draw('egl').status !== 0) {
        return context.skip('EGL does not draw here');
      }
      const shim = compile('libEGL.so.1', 'fake_egl.c', `-DREAL="${file}"`);
      expect(draw('egl', folderOf(shim))).toMatchObject({ status: 0, stderr: '' });
      vi.stubEnv('MUJOCO_EGL_DEVICE_ID', '0');
      const chosen = draw('egl', folderOf(shim));
      expect(chosen.status).toBe(3);
      expect(chosen.stderr).toContain('device 0: its display does not start');
      vi.stubEnv('MUJOCO_EGL_DEVICE_ID', '77');
      expect(draw('egl', folderOf(shim)).stderr).toContain('MUJOCO_EGL_DEVICE_ID=77');
    });
  });

  test('a task, a trial and an environment that there are not', () => {
    const backend = open();
    const before = backend.saveState();
    expect(() => backend.restore(0, 10, 0)).toThrow(said('ENV_INPUT', 2, 'task 10 is outside'));
    expect(() => backend.restore(0, -1, 0)).toThrow(said('ENV_INPUT', 2, 'task -1'));
    expect(() => backend.restore(0, 0, 50)).toThrow(said('ENV_INPUT', 2, 'trial 50 is outside'));
    expect(() => backend.restore(1, 0, 0)).toThrow(said('ENV_INPUT', 2, 'no environment 1'));
    expect(backend.saveState()).toEqual(before);
  });

  test('a camera that there is not, and sizes beyond their ranges', () => {
    expect(refusal({ cameras: ['rear'] })).toEqual(said('ENV_INPUT', 2, "no camera 'rear'"));
    expect(refusal({ imageSize: 4 })).toEqual(said('ENV_INPUT', 2, 'image_size'));
    expect(refusal({ numEnvs: 0 })).toEqual(said('ENV_INPUT', 2, 'num_envs'));
    expect(refusal({ fixtures: { cabinet: new Float64Array(6) } })).toEqual(
      said('ENV_INPUT', 2, 'seven finite numbers'),
    );
  });

  test('a simulation that breaks: the episode has failed, is counted, and the others go on', async () => {
    const backend = open({ numEnvs: 2 });
    const envs = new Environments({
      runtime,
      backend,
      schedule: new ResetList([
        { task: 0, trial: 1 },
        { task: 3, trial: 2 },
      ]),
      chunk: 2,
      maxEpisodeSteps: 4,
      autoReset: false,
      chunkReward: 'per_chunk',
      gamma: 1,
      frameSize: 0,
    });
    await envs.reset();
    const saved = backend.saveState();
    const qvel = 1 + 48;
    saved[saved.length / 2 + qvel] = 1e12;
    backend.loadState(saved);
    const still = Tensor.from<'float32'>(runtime, new Float32Array(2 * 2 * 7), [2, 2, 7]);
    const first = await envs.stepChunk(still);
    expect(first.failures).toEqual([{ env: 1, task: 3, trial: 2, kind: 'failed' }]);
    expect(first.episodes).toEqual([{ task: 3, trial: 2, success: false, return: -1, length: 1 }]);
    expect([...first.active]).toEqual([1, 0]); // nothing of it is stored
    const second = await envs.stepChunk(still);
    expect(second.failures).toEqual([]);
    expect(second.episodes).toEqual([{ task: 0, trial: 1, success: false, return: -4, length: 4 }]);
    expect(envs.allDone).toBe(true);
  });
});
