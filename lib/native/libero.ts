import { createHash } from 'node:crypto';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EnvironmentSetupError, UsageError } from '../errors.js';
import { NativeBackend } from './environments.js';
import { type LiberoBundle, readLiberoBundle, verifyAssets } from './libero-bundle.js';
import type { Runtime } from './runtime.js';

/** Poses of the fixtures' root bodies: position 3, quaternion wxyz 4. */
export interface LiberoFixtures {
  cabinet?: Float64Array;
  stove?: Float64Array;
}

export interface LiberoBackendOptions {
  numEnvs: number;
  /** The bundle's folder; without it DSRL_LIBERO_BUNDLE, else the user's cache. */
  bundle?: string;
  suite?: string;
  /** The environment's (env.*.seed): where cabinet and stove stand. Environment e of n takes the
   * original's place for the seed `seed` * n + e, as RLinf's workers do. */
  seed?: bigint;
  /** Pictures by the names of the bundle's cameras, `main` and `wrist`, or of the model's own. */
  cameras?: readonly string[];
  /** Side of the pictures. */
  imageSize?: number;
  /** Side of a chunk's frames, which show what `main` does; 0: there are none. */
  frameSize?: number;
  /** Which library draws; `auto`: EGL, and where it has no device OSMesa. */
  gl?: 'auto' | 'egl' | 'osmesa';
  /** Samples a pixel: 4 is the benchmark's, 0 is faster and changes edges. */
  msaa?: number;
  /**
   * Draws the reduced scene, some 20 k triangles instead of 290 k; the physics stay as they are.
   */
  lod?: boolean;
  /** Threads that step and draw; each that draws holds a GL context of its own, some 350 MB with
   * the full meshes. */
  threads?: number;
  allowMujocoDrift?: boolean;
  /** Where the fixtures stand in every trial, instead of the original's places. */
  fixtures?: LiberoFixtures;
  /** Trials are the initial states that LIBERO has beside those that it evaluates on, 50 a task: to
   * be taught in. */
  unevaluatedStates?: boolean;
}

/** What LIBERO's users send while objects settle: no motion, the gripper opening. */
export const LIBERO_SETTLING_ACTION: readonly number[] = [0, 0, 0, 0, 0, 0, -1];

/** LIBERO-Spatial on MuJoCo (core/env/libero.h). */
export class LiberoBackend extends NativeBackend {
  readonly settlingAction = LIBERO_SETTLING_ACTION;
  readonly bundle: LiberoBundle;

  /**
   * @throws EnvironmentSetupError ERR_DSRL_LIBERO_BUNDLE, _MUJOCO, _PLUGIN, _GL: what is missing or
   *   damaged, by name; UsageError: an option that is out of range
   */
  constructor(runtime: Runtime, options: LiberoBackendOptions) {
    // Otherwise llvmpipe starts threads of its own beside those that step and draw.
    process.env.LP_NUM_THREADS ??= '0';
    const bundle = readLiberoBundle(options.bundle);
    super(runtime, 'libero', nativeOptions(bundle, options));
    this.bundle = bundle;
  }

  /** What the policy is told in a task: its name with spaces, as RLinf does. */
  prompt(task: number): string {
    const name = this.bundle.json.tasks[task]?.name;
    if (name !== undefined) return name.replaceAll('_', ' ');
    throw new UsageError('ERR_DSRL_ENV_INPUT', `libero: there is no task ${task}`, {
      hint: `there are ${this.bundle.json.tasks.length}, from 0 on`,
    });
  }
}

function nativeOptions(bundle: LiberoBundle, options: LiberoBackendOptions) {
  const { json } = bundle;
  if (options.suite !== undefined && options.suite !== json.suite) {
    throw new UsageError('ERR_DSRL_ENV_INPUT', `the bundle is of ${json.suite}`, {
      hint: `${options.suite} runs on the original: env.*.env_type=libero-python`,
    });
  }
  const drawn = options.lod ? json.lod_scene : '';
  if (drawn === null) {
    throw new EnvironmentSetupError(
      'ERR_DSRL_LIBERO_BUNDLE',
      `the bundle ${bundle.folder} has no reduced scene, and env.*.lod asks for it`,
      { hint: 'make the bundle again: dsrl-native libero setup' },
    );
  }
  const cameras = options.cameras ?? ['main'];
  const foreign = process.env.DSRL_MUJOCO || undefined;
  return {
    model: json,
    pluginFolder: pluginFolder(),
    library: foreign ?? bundle.file(json.library),
    scene: bundle.file(json.scene),
    sceneCache: compiledScene(bundle, json.scene, foreign),
    drawnScene: drawn === '' ? '' : bundle.file(drawn),
    drawnCache: drawn === '' ? '' : compiledScene(bundle, drawn, foreign),
    initStates: bundle.file('init.safetensors'),
    unevaluatedStates: options.unevaluatedStates ?? false,
    numEnvs: options.numEnvs,
    seed: options.seed ?? 0n,
    cameras: Object.fromEntries(cameras.map((name) => [name, json.cameras[name] ?? name])),
    imageSize: options.imageSize ?? 256,
    filmCamera: json.cameras.main ?? 'main',
    frameSize: options.frameSize ?? 0,
    gl: options.gl ?? 'auto',
    msaa: options.msaa ?? 4,
    threads: options.threads ?? availableParallelism(),
    allowMujocoDrift: options.allowMujocoDrift ?? false,
    cabinetPose: [...(options.fixtures?.cabinet ?? [])],
    stovePose: [...(options.fixtures?.stove ?? [])],
  };
}

/**
 * The file that keeps a compiled scene beside its bundle. Its name changes with the bundle's
 * content, MuJoCo among it, and with a MuJoCo that DSRL_MUJOCO names: what one compiled no other
 * may read.
 */
function compiledScene(bundle: LiberoBundle, scene: string, foreign: string | undefined): string {
  const name = scene.replaceAll('/', '-').replace(/\.xml$/, '');
  const keys = [bundle.sha256, ...(foreign === undefined ? [] : [sha256Of(foreign)])];
  const key = keys.map((hash) => hash.slice(0, 16)).join('-');
  const file = bundle.file(`compiled/${name}-${key}.mjb`);
  if (!existsSync(file)) verifyAssets(bundle);
  return file;
}

/** A file that is not there is MuJoCo's to report. */
function sha256Of(file: string): string {
  const isFile = statSync(file, { throwIfNoEntry: false })?.isFile() ?? false;
  const content = isFile ? readFileSync(file) : '';
  return createHash('sha256').update(content).digest('hex');
}

/** As with the cores: one that was built here goes before a shipped one. */
function pluginFolder(): string {
  const root = fileURLToPath(new URL('../..', import.meta.url));
  const built = join(root, 'build', 'libero');
  return existsSync(built) ? built : join(root, 'prebuilds', 'linux-x64', 'libero');
}
