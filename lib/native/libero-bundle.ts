import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { z } from 'zod';
import { EnvironmentSetupError } from '../errors.js';
import { liberoHome } from './libero-home.js';

const FORMAT = 'dsrl-native-libero-bundle/1';

const numbers = z.array(z.number());
const names = z.array(z.string().min(1));
const object = z.object({ body: z.string().min(1), geoms: names });

/** bundle.json as python/libero/export_bundle.py writes it; everything in the model by name. */
const schema = z.object({
  format: z.literal(FORMAT),
  suite: z.string().min(1),
  mujoco: z.string().min(1),
  robosuite: z.string().min(1),
  scene: z.string().min(1),
  lod_scene: z.string().min(1).nullable(),
  tasks: z.array(z.object({ id: z.int(), name: z.string(), language: z.string() })).min(1),
  num_trials: z.int().positive(),
  controller: z.object({
    control_freq: z.number().positive(),
    substeps: z.int().positive(),
    input_min: numbers,
    input_max: numbers,
    output_min: numbers,
    output_max: numbers,
    kp: numbers,
    kd: numbers,
    nullspace_stiffness: z.number(),
    gripper_speed: z.number(),
    gripper_signs: numbers,
  }),
  robot: z.object({
    arm_joints: names,
    arm_actuators: names,
    gripper_joints: names,
    gripper_actuators: names,
    grip_site: z.string(),
    hand_body: z.string(),
    init_qpos: numbers,
    init_gripper_qpos: numbers,
  }),
  objects: z.object({ target: object, goal: object }),
  fixtures: z.object({ cabinet: z.string(), stove: z.string() }),
  stove_burner: z.object({ joint: z.string(), site: z.string(), visible_from: z.number() }),
  cameras: z.record(z.string(), z.string()),
  library: z.string().min(1),
  files: z.record(z.string(), z.string().regex(/^[0-9a-f]{64}$/)),
});

export type LiberoBundleJson = z.infer<typeof schema>;

export interface LiberoBundle {
  readonly folder: string;
  readonly json: LiberoBundleJson;
  /** sha256 of bundle.json, and with it of every file that it names. */
  readonly sha256: string;
  /** The absolute path of one of its files. */
  file(name: string): string;
}

/** Where `dsrl-native libero setup` puts the bundle, unless DSRL_LIBERO_BUNDLE names another. */
export function defaultLiberoBundle(): string {
  const given = process.env.DSRL_LIBERO_BUNDLE;
  if (given) return resolve(given);
  return join(liberoHome(), 'bundle');
}

/**
 * Reads a bundle, and checks the files that every start needs: MuJoCo, the scene's XML and the
 * initial states. Meshes and textures are checked with `verifyAssets`, before they are compiled.
 *
 * @throws EnvironmentSetupError ERR_DSRL_LIBERO_BUNDLE: missing or damaged; the file is named
 */
export function readLiberoBundle(folder: string = defaultLiberoBundle()): LiberoBundle {
  const path = join(folder, 'bundle.json');
  if (!existsSync(path)) throw bundleError(`there is no bundle of LIBERO: no ${path}`);
  const bytes = readFileSync(path);
  const parsed = schema.safeParse(parseJson(path, bytes.toString('utf8')));
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw bundleError(`${path}: ${issue?.path.join('.')}: ${issue?.message}`);
  }
  const json = parsed.data;
  const bundle = {
    folder,
    json,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    file: (name: string) => join(folder, name),
  };
  for (const name of [json.library, json.scene, 'init.safetensors']) verifyFile(bundle, name);
  return bundle;
}

/** Checks the hash of one file that bundle.json lists. */
export function verifyFile(bundle: LiberoBundle, name: string): void {
  const path = bundle.file(name);
  const expected = bundle.json.files[name];
  if (expected === undefined) throw bundleError(`bundle.json lists no ${name}`);
  if (!existsSync(path)) throw bundleError(`the bundle of LIBERO lacks ${path}`);
  const found = createHash('sha256').update(readFileSync(path)).digest('hex');
  if (found === expected) return;
  throw bundleError(`${path} is damaged: its sha256 is ${found}, and not ${expected}`);
}

/** Checks every file, meshes and textures among them. Some 0.3 s. */
export function verifyAssets(bundle: LiberoBundle): void {
  for (const name of Object.keys(bundle.json.files)) verifyFile(bundle, name);
}

function parseJson(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw bundleError(`${path} is no JSON: ${cause instanceof Error ? cause.message : cause}`);
  }
}

function bundleError(message: string): EnvironmentSetupError {
  return new EnvironmentSetupError('ERR_DSRL_LIBERO_BUNDLE', message, {
    hint: 'make it with: dsrl-native libero setup',
  });
}
