import { renameSync, rmSync } from 'node:fs';
import { EnvironmentSetupError, RuntimeFailure, UsageError } from '../errors.js';
import {
  type BackendObservation,
  createRuntime,
  LiberoBackend,
  type NativeBackend,
  type Runtime,
  readTensors,
  TabletopBackend,
  Tensor,
  writeTensors,
} from '../native/index.js';
import type { REPLAY_ENVIRONMENTS } from './replay-env.js';

export interface ReplayEnv {
  env: (typeof REPLAY_ENVIRONMENTS)[number];
  task: number;
  trial: number;
  actions: string;
  out: string;
  /** Steps whose pictures are written, counted like the rows. */
  pictures: readonly number[];
  pictureSize: number;
  seed: bigint;
  gl: 'auto' | 'egl' | 'osmesa';
  bundle: string | undefined;
}

interface Inputs {
  /** [T, 7] */
  actions: Float64Array;
  length: number;
  cabinet?: Float64Array;
  stove?: Float64Array;
}

const ACTION_DIM = 7;
const POSE = 7;

/** What each camera's pictures are called in the file. */
const PICTURE_NAMES: Readonly<Record<string, string>> = { main: 'agentview', wrist: 'wrist' };

/** Runs the actions and writes --out, or nothing if an input is wrong. */
export async function replayEnv(request: ReplayEnv): Promise<void> {
  const runtime = createRuntime({ device: 'cpu' });
  const inputs = readInputs(runtime, request);
  const backend = makeBackend(runtime, request, inputs);
  backend.restore(0, request.task, request.trial);

  const qpos: Float64Array[] = [];
  const qvel: Float64Array[] = [];
  const state: Float64Array[] = [];
  const success = new Uint8Array(inputs.length);
  const pictures = new Map<string, Tensor>();
  const record = (step: number, shown: BackendObservation | null) => {
    const inside = backend.interior(0);
    qpos.push(inside.qpos);
    qvel.push(inside.qvel);
    state.push(inside.state);
    if (shown) keepPictures(runtime, request, step, shown, pictures);
  };
  const wanted = new Set(request.pictures);
  record(0, wanted.has(0) ? backend.observe() : null);
  for (let t = 1; t <= inputs.length; t++) {
    const row = inputs.actions.slice((t - 1) * ACTION_DIM, t * ACTION_DIM);
    const action = Tensor.from(runtime, row, [1, 1, ACTION_DIM]);
    const result = await backend.stepChunk(action, Int32Array.of(1), { pictures: wanted.has(t) });
    action.dispose();
    failOn(result.failure[0] ?? 0, t);
    success[t - 1] = result.success[0] ?? 0;
    record(t, wanted.has(t) ? result.observation : null);
    result.observation.state.dispose();
  }

  const tensors = new Map<string, Tensor>([['qpos', rows(runtime, qpos)]]);
  if ((qvel[0]?.length ?? 0) > 0) tensors.set('qvel', rows(runtime, qvel));
  tensors.set('state', rows(runtime, state));
  tensors.set('success', Tensor.from(runtime, success, [inputs.length]));
  tensors.set('reward', Tensor.from(runtime, Float64Array.from(success), [inputs.length]));
  for (const [name, picture] of pictures) tensors.set(name, picture);
  publish(runtime, request.out, tensors);
}

function readInputs(runtime: Runtime, { actions: file, env, pictures }: ReplayEnv): Inputs {
  let tensors: Map<string, Tensor>;
  try {
    tensors = readTensors(runtime, file);
  } catch (cause) {
    throw badInput(cause instanceof Error ? cause.message : `${file} cannot be read`, cause);
  }
  const take = (name: string, fits: (shape: readonly number[]) => boolean, expected: string) => {
    const tensor = tensors.get(name);
    if (tensor === undefined) return undefined;
    if (tensor.dtype === 'float64' && fits(tensor.shape)) return tensor.read() as Float64Array;
    const found = `${tensor.dtype} [${tensor.shape.join(', ')}]`;
    throw badInput(`${file}: ${name} must be F64 ${expected}, and is ${found}`);
  };
  const isTable = (shape: readonly number[]) => shape.length === 2 && shape[1] === ACTION_DIM;
  const actions = take('actions', isTable, '[T, 7]');
  if (actions === undefined) throw badInput(`${file} has no tensor 'actions'`);
  const isPose = (shape: readonly number[]) => shape.length === 1 && shape[0] === POSE;
  const cabinet = take('cabinet_pose', isPose, '[7]');
  const stove = take('stove_pose', isPose, '[7]');
  if (env === 'tabletop' && (cabinet || stove)) {
    throw badInput(`${file}: ${cabinet ? 'cabinet_pose' : 'stove_pose'}: tabletop has no fixtures`);
  }
  const length = actions.length / ACTION_DIM;
  const beyond = pictures.find((step) => step > length);
  if (beyond !== undefined) throw badInput(`--pictures ${beyond}: there are ${length} actions`);
  return { actions, length, ...(cabinet && { cabinet }), ...(stove && { stove }) };
}

function makeBackend(runtime: Runtime, request: ReplayEnv, inputs: Inputs): NativeBackend {
  const { env, seed, pictureSize: imageSize, gl, bundle } = request;
  const shared = { numEnvs: 1, seed, cameras: ['main', 'wrist'], imageSize };
  if (env === 'tabletop') return new TabletopBackend(runtime, shared);
  const { cabinet, stove } = inputs;
  return new LiberoBackend(runtime, {
    ...shared,
    suite: env,
    gl,
    ...(bundle !== undefined && { bundle }),
    fixtures: { ...(cabinet && { cabinet }), ...(stove && { stove }) },
  });
}

function keepPictures(
  runtime: Runtime,
  { env, pictureSize: side }: ReplayEnv,
  step: number,
  shown: BackendObservation,
  pictures: Map<string, Tensor>,
): void {
  for (const [camera, picture] of Object.entries(shown.images)) {
    const pixels = picture.read();
    const rows = env === 'tabletop' ? pixels : turned(pixels);
    const name = `${PICTURE_NAMES[camera] ?? camera}_${step}`;
    pictures.set(name, Tensor.from(runtime, rows, [side, side, 3]));
  }
}

/** By 180 degrees: backends show pictures upright, MuJoCo reads them the other way round. */
function turned(pixels: Uint8Array): Uint8Array {
  const result = new Uint8Array(pixels.length);
  for (let from = 0, to = pixels.length - 3; to >= 0; from += 3, to -= 3) {
    result.set(pixels.subarray(from, from + 3), to);
  }
  return result;
}

function failOn(failure: number, step: number): void {
  if (failure === 0) return;
  throw new RuntimeFailure('ERR_DSRL_ENV_FAILED', `the simulation broke in step ${step}`, {
    hint: 'give milder actions: nothing was written',
  });
}

function rows(runtime: Runtime, values: readonly Float64Array[]): Tensor {
  const width = values[0]?.length ?? 0;
  const flat = new Float64Array(values.length * width);
  values.forEach((row, index) => {
    flat.set(row, index * width);
  });
  return Tensor.from(runtime, flat, [values.length, width]);
}

/** Under a temporary name first: a file that is there is whole. */
function publish(runtime: Runtime, out: string, tensors: ReadonlyMap<string, Tensor>): void {
  const temporary = `${out}.unfinished-${process.pid}`;
  try {
    writeTensors(runtime, temporary, tensors);
    renameSync(temporary, out);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw new EnvironmentSetupError('ERR_DSRL_UNWRITABLE', `${out} cannot be written`, {
      hint: 'name another file with --out',
      cause,
    });
  }
}

function badInput(message: string, cause?: unknown): UsageError {
  return new UsageError('ERR_DSRL_REPLAY_INPUT', message, {
    hint: '`dsrl-native debug replay-env --help` shows what the file must hold',
    cause,
  });
}
