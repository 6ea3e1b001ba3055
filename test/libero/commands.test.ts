import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { checkBundle } from '../../lib/cli/libero-check.js';
import { exportLibero } from '../../lib/cli/libero-export.js';
import { provideGl } from '../../lib/cli/libero-gl.js';
import { findLiberoPython } from '../../lib/cli/libero-python.js';
import { checkLiberoPython, exporterSources, setupLibero } from '../../lib/cli/libero-setup.js';
import { main } from '../../lib/cli/main.js';
import type { Surroundings } from '../../lib/torch/surroundings.js';
import { emptySurroundings } from '../torch/fakes.js';

let folder: string;
let around: Surroundings;
let said: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dsrl-libero-'));
  said = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    said += text;
    return true;
  });
  around = {
    ...emptySurroundings(folder, folder),
    env: { DSRL_LIBERO: join(folder, 'home'), PATH: join(folder, 'bin') },
    home: folder,
    systemLibraryDirs: [join(folder, 'lib')],
  };
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

function place(name: string, content = ''): string {
  const file = join(folder, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  return file;
}

function program(name: string, script: string): string {
  const file = place(name, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  return file;
}

/** The smallest bundle that says of itself that it is whole. */
function makeBundle(name: string): string {
  const contents: Record<string, string> = {
    'scene.xml': '<mujoco/>',
    'init.safetensors': 'states',
    'lib/libmujoco.so.3.3.2': 'code',
    'assets/bowl/texture.png': 'pixels',
  };
  const files: Record<string, string> = {};
  for (const [file, content] of Object.entries(contents)) {
    place(join(name, file), content);
    files[file] = createHash('sha256').update(content).digest('hex');
  }
  const object = { body: 'a', geoms: ['b'] };
  const json = {
    format: 'dsrl-native-libero-bundle/1',
    suite: 'libero_spatial',
    mujoco: '3.3.2',
    robosuite: '1.4.0',
    scene: 'scene.xml',
    lod_scene: null,
    tasks: [{ id: 0, name: 'a_b', language: 'a b' }],
    num_trials: 50,
    controller: {
      ...{ control_freq: 20, substeps: 25, input_min: [], input_max: [], output_min: [] },
      ...{ output_max: [], kp: [], kd: [], nullspace_stiffness: 10, gripper_speed: 0.01 },
      gripper_signs: [-1, 1],
    },
    robot: {
      ...{ arm_joints: ['a'], arm_actuators: ['a'], gripper_joints: ['a'] },
      ...{ gripper_actuators: ['a'], grip_site: 'a', hand_body: 'a', init_qpos: [] },
      init_gripper_qpos: [],
    },
    objects: { target: object, goal: object },
    fixtures: { cabinet: 'a', stove: 'b' },
    stove_burner: { joint: 'a', site: 'b', visible_from: 0.5 },
    cameras: { main: 'a' },
    library: 'lib/libmujoco.so.3.3.2',
    files,
  };
  place(join(name, 'bundle.json'), JSON.stringify(json));
  return join(folder, name);
}

const quiet = { say: () => {}, signal: new AbortController().signal };

describe('libero check', () => {
  test('reports a whole bundle', () => {
    const bundle = makeBundle('b');
    const report = { bundle, suite: 'libero_spatial', mujoco: '3.3.2', lod: false, files: 4 };
    expect(checkBundle(bundle)).toEqual(report);
  });

  test.each(['assets/bowl/texture.png', 'init.safetensors'])('names the damaged %s', (file) => {
    const bundle = makeBundle('b');
    appendFileSync(join(bundle, file), '!');
    expect(() => checkBundle(bundle)).toThrow(`${file} is damaged`);
  });

  test('names the file that is missing; the command ends with 3', async () => {
    const bundle = makeBundle('b');
    rmSync(join(bundle, 'assets'), { recursive: true });
    expect(await main(['libero', 'check', bundle])).toBe(3);
    expect(said).toContain('assets/bowl/texture.png');
    expect(said).toContain('dsrl-native libero setup');
    expect(await main(['libero', 'check', join(folder, 'nothing')])).toBe(3);
    expect(said).toContain(join(folder, 'nothing', 'bundle.json'));
  });
});

describe('a library that draws', () => {
  const provide = (root: boolean) => provideGl(quiet.say, quiet.signal, around, { root });

  test('OSMesa, or without being root EGL', async () => {
    place('lib/libEGL.so.1');
    await expect(provide(false)).resolves.toBeUndefined();
    place('lib/libOSMesa.so.8');
    await expect(provide(true)).resolves.toBeUndefined();
  });

  test('without both it says what to type', async () => {
    await expect(provide(false)).rejects.toMatchObject({
      code: 'ERR_DSRL_LIBERO_GL',
      exitCode: 3,
      hint: expect.stringContaining('apt-get install libosmesa6'),
    });
  });

  test('root on a Debian installs it, and says where that failed', async () => {
    place('lib/libEGL.so.1');
    program('bin/apt-get', `echo "$@" >> ${folder}/apt`);
    await provide(true);
    const words = readFileSync(join(folder, 'apt'), 'utf8');
    expect(words).toMatch(/^update .*\ninstall .*libosmesa6\n$/);
    program('bin/apt-get', 'echo no network >&2; exit 100');
    await expect(provide(true)).rejects.toMatchObject({
      message: expect.stringContaining('no network'),
      hint: expect.stringContaining('apt-get update'),
    });
  });
});

describe('the Python that the environment is made with', () => {
  const python = (name: string, minor: number, venv = true) =>
    program(`bin/${name}`, `echo '[3, ${minor}, ${venv}]'`);

  test('is the first of those that numpy 1.26 has wheels for', () => {
    python('python3', 14);
    expect(() => findLiberoPython(undefined, around)).toThrow('3.10 - 3.12');
    const found = python('python3.12', 12);
    expect(findLiberoPython(undefined, around)).toBe(found);
    python('python3.11', 11, false);
    expect(findLiberoPython(undefined, around)).toBe(found);
  });

  test('is asked for beforehand, unless the environment is there', () => {
    python('python3', 13);
    expect(() => checkLiberoPython(around)).toThrow('3.10 - 3.12');
    place('home/venv/bin/python');
    expect(() => checkLiberoPython(around)).toThrow('3.10 - 3.12');
    place('home/venv/dsrl-environment', 'made');
    checkLiberoPython(around);
  });

  test('that is named is the only one looked at, and the error says what is wrong with it', () => {
    python('python3.11', 11);
    const named = python('python3', 13);
    expect.assertions(1);
    try {
      findLiberoPython(named, around);
    } catch (error) {
      const hint = expect.stringContaining(`${named}: is Python 3.13`);
      expect(error).toMatchObject({ code: 'ERR_DSRL_LIBERO_PYTHON', hint });
    }
  });
});

/** Stands for every Python: makes environments of itself, installs, and exports a bundle. */
const PYTHON = `
echo "$@" >> "$FAKE/calls"
case "$*" in
  -c*) echo '[3, 11, true]' ;;
  "-m venv"*)
    shift 3; mkdir -p "$1/bin"; cp "$0" "$1/bin/python"
    if [ -e "$FAKE/stops" ]; then exit 130; fi ;;
  "-m pip"*) if [ -e "$FAKE/offline" ]; then echo "no index" >&2; exit 1; fi ;;
  *export_bundle.py*)
    if [ -e "$FAKE/stated" ]; then cat "$FAKE/stated" >&2; exit 3; fi
    if [ -e "$FAKE/broken" ]; then echo "KeyError: x" >&2; exit 1; fi
    echo "robosuite warns" >&2; echo "libero: task 0" >&2
    while [ "$1" != --out ]; do shift; done
    rm -rf "$2"; cp -r "$FAKE/template" "$2"; echo '{}' ;;
esac`;

describe('libero export', () => {
  const run = (lod = true) => exportLibero(join(folder, 'venv'), join(folder, 'out'), { lod });

  beforeEach(() => {
    vi.stubEnv('FAKE', folder);
    makeBundle('template');
    program('venv/bin/python', PYTHON);
  });

  test('runs the exporter in that environment and checks what it wrote', async () => {
    expect(await run(false)).toMatchObject({ bundle: join(folder, 'out'), files: 4 });
    expect(readFileSync(join(folder, 'calls'), 'utf8')).toMatch(/export_bundle\.py .*--no-lod/);
    expect(said).toBe('libero: task 0\n');
    appendFileSync(join(folder, 'template', 'scene.xml'), '!');
    await expect(run()).rejects.toThrow('scene.xml is damaged');
  });

  test('passes on what the exporter states, and shows its last words otherwise', async () => {
    const stated = { code: 'ERR_DSRL_LIBERO_MUJOCO', message: 'MuJoCo 3.8', hint: 'pip' };
    place('stated', `${JSON.stringify(stated)}\n`);
    await expect(run()).rejects.toMatchObject({ ...stated, exitCode: 3 });
    rmSync(join(folder, 'stated'));
    place('broken');
    await expect(run()).rejects.toMatchObject({
      code: 'ERR_DSRL_LIBERO_EXPORT',
      message: expect.stringContaining('KeyError: x'),
    });
  });

  test('wrong words end with 2 and say what is meant', async () => {
    const exported = (...words: string[]) => main(['libero', 'export', ...words]);
    expect(await exported('--out', 'x')).toBe(2);
    expect(await exported('--python', '/nowhere', '--out', 'x')).toBe(2);
    expect(said).toContain('/nowhere');
    expect(await main(['libero', 'chek'])).toBe(2);
    expect(said).toContain('did you mean `check`?');
    expect(existsSync(join(folder, 'calls'))).toBe(false);
  });
});

describe('libero setup', () => {
  const calls = () => {
    const file = join(folder, 'calls');
    const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
    rmSync(file, { force: true });
    const kinds = { venv: /^-m venv/, pip: /^-m pip/, export: /export_bundle/ };
    return Object.entries(kinds)
      .filter(([, pattern]) => lines.some((line) => pattern.test(line)))
      .map(([kind]) => kind);
  };
  const bundle = () => join(folder, 'home', 'bundle');

  beforeEach(() => {
    vi.stubEnv('FAKE', folder);
    makeBundle('template');
    program('bin/python3.11', PYTHON);
    place('lib/libOSMesa.so.8');
    place('build/libero/dsrl_libero_mujoco3.3.2.so');
  });

  test('makes everything once', async () => {
    expect(await setupLibero(undefined, around)).toMatchObject({ bundle: bundle() });
    expect(calls()).toEqual(['venv', 'pip', 'export']);
    for (const number of [1, 2, 3, 4, 5]) expect(said).toContain(`libero: ${number}/5 `);
    expect(await setupLibero(undefined, around)).toMatchObject({ bundle: bundle() });
    expect(calls()).toEqual([]);
  });

  test('goes on where it failed', async () => {
    place('offline');
    await expect(setupLibero(undefined, around)).rejects.toMatchObject({
      code: 'ERR_DSRL_SETUP_FAILED',
      message: expect.stringContaining('no index'),
    });
    expect(calls()).toEqual(['venv', 'pip']);
    rmSync(join(folder, 'offline'));
    place('broken');
    await expect(setupLibero(undefined, around)).rejects.toThrow('KeyError');
    expect(calls()).toEqual(['pip', 'export']);
    rmSync(join(folder, 'broken'));
    await setupLibero(undefined, around);
    expect(calls()).toEqual(['export']);
  });

  test('makes an environment again that was stopped before it had pip', async () => {
    place('stops');
    await expect(setupLibero(undefined, around)).rejects.toThrow('making the environment failed');
    expect(existsSync(join(folder, 'home', 'venv', 'bin', 'python'))).toBe(true);
    rmSync(join(folder, 'stops'));
    calls();
    await setupLibero(undefined, around);
    expect(calls()).toEqual(['venv', 'pip', 'export']);
  });

  test('a bundle depends on the exporter and what it imports, and on nothing else', () => {
    const sources = exporterSources();
    expect(sources).toEqual(expect.arrayContaining(['requirements.txt', 'textures.py']));
    expect(sources).not.toContain('worker.py');
    expect(new Set(sources).size).toBe(sources.length);
  });

  test('makes a damaged bundle again, and names what was damaged', async () => {
    await setupLibero(undefined, around);
    calls();
    appendFileSync(join(bundle(), 'assets', 'bowl', 'texture.png'), '!');
    await setupLibero(undefined, around);
    expect(calls()).toEqual(['export']);
    expect(said).toContain('texture.png is damaged');
  });

  test('a checkout without the plugin builds it, or says what to type', async () => {
    rmSync(join(folder, 'build'), { recursive: true });
    place('scripts/build-native.mjs', 'console.error(process.argv[2]); process.exit(3);');
    await expect(setupLibero(undefined, around)).rejects.toMatchObject({
      message: expect.stringContaining('--libero'),
      hint: expect.stringContaining('npm run setup'),
    });
    cpSync(bundle(), join(folder, 'copy'), { recursive: true });
    expect(checkBundle(join(folder, 'copy')).files).toBe(4); // the bundle is there all the same
  });
});
