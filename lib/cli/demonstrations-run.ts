import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { EnvironmentSetupError } from '../errors.js';
import { makeFolder } from '../folder.js';
import {
  createRuntime,
  LiberoBackend,
  type Runtime,
  randomNormal,
  randomUniform,
  Tensor,
  writeTensors,
} from '../native/index.js';
import { moveObjects, objectPlaces } from './demonstration-scenes.js';
import {
  ACTION_DIM,
  CARRY,
  checkTasks,
  checkUnbroken,
  DONE,
  ERRANDS,
  forget,
  HORIZON,
  REACH,
  settle,
} from './errands.js';

export interface DemonstrationsRequest {
  out: string;
  tasks: readonly number[];
  /** Begun of each task. */
  episodes: number;
  /** Probability of the target bowl. */
  target: number;
  /** Actions of a frame. */
  horizon: number;
  /** A frame every so many steps. */
  every: number;
  seed: number;
  gl: 'auto' | 'egl' | 'osmesa';
  bundle: string | undefined;
}

interface Frame {
  step: number;
  main: Uint8Array;
  wrist: Uint8Array;
  state: Float32Array;
  /** [3, xyz] of both bowls and the plate. */
  objects: Float32Array;
}

/** One environment's episode while it is recorded. */
interface Episode {
  number: number;
  /** Its initial state, of those that LIBERO does not evaluate on. */
  trial: number;
  /** [3, xyz] of both bowls and the plate in it, moved, before anything came to rest. */
  placed: Float32Array;
  errand: number;
  frames: Frame[];
  /** [7] of each executed step, and whether it carried no noise. */
  actions: Float32Array[];
  /** [7] of what the expert itself would have done in each. */
  expert: Float32Array[];
  clean: boolean[];
  /** Its target stood on the plate, by the benchmark's own test. */
  success: boolean;
  /** Steps until its bowl stood on the plate and the hand had left it; null: not yet. */
  done: number | null;
  burst: { left: number; stray: boolean; offset: number[] };
}

const SUMMARY = 'demonstrations.json';
const SIDE = 64;
const ENVIRONMENTS = 8;
/**
 * What goes wrong on purpose, so that a policy sees how to recover. On its way, empty or with the
 * bowl, the hand is led astray in some direction, as far as a chunk of a policy's actions that did
 * not stop in time. While it grasps or lets go its translation is only disturbed: more would push
 * the bowl.
 */
const STRAY = { begins: 0.03, longest: 10, spread: 1 } as const;
const DISTURBED = { begins: 0.08, longest: 3, spread: 0.5 } as const;
/** Astray the hand goes down less than sideways: it would press on the table. */
const DOWN = 0.3;
const TRANSLATION = 3;

/** Writes the shards and demonstrations.json. */
export async function recordDemonstrations(request: DemonstrationsRequest): Promise<void> {
  const runtime = createRuntime({ device: 'cpu' });
  const backend = new LiberoBackend(runtime, {
    numEnvs: Math.min(ENVIRONMENTS, request.episodes),
    suite: 'libero_spatial',
    cameras: ['main', 'wrist'],
    imageSize: SIDE,
    msaa: 0,
    lod: true,
    unevaluatedStates: true,
    gl: request.gl,
    threads: availableParallelism(),
    ...(request.bundle !== undefined && { bundle: request.bundle }),
  });
  checkTasks(request.tasks, backend.numTasks);
  prepare(request.out);
  const shards: { file: string; task: number; frames: number }[] = [];
  const kept = { target: 0, other: 0 };
  let begun = 0;
  for (const task of request.tasks) {
    for (let first = 0; first < request.episodes; first += backend.numEnvs) {
      const count = Math.min(backend.numEnvs, request.episodes - first);
      const numbers = Array.from({ length: count }, (_, i) => task * request.episodes + first + i);
      const episodes = await runEpisodes(runtime, backend, request, task, numbers);
      const good = episodes.filter(({ done }) => done !== null);
      begun += count;
      for (const { errand } of good) kept[errand === ERRANDS.target ? 'target' : 'other']++;
      const file = `task-${task}-${String(first).padStart(4, '0')}.safetensors`;
      const frames = writeShard(runtime, join(request.out, file), request, task, good);
      if (frames > 0) shards.push({ file, task, frames });
      process.stderr.write(`task ${task}: ${good.length} of ${count} episodes, ${frames} frames\n`);
    }
  }
  const { out, bundle, gl, ...settings } = request;
  const prompts = Object.fromEntries(request.tasks.map((task) => [task, backend.prompt(task)]));
  const summary = { ...settings, episodes_begun: begun, episodes_kept: kept, prompts, shards };
  writeFileSync(join(out, SUMMARY), `${JSON.stringify(summary, null, 2)}\n`);
  process.stdout.write(`${JSON.stringify({ out, begun, kept, shards: shards.length })}\n`);
}

async function runEpisodes(
  runtime: Runtime,
  backend: LiberoBackend,
  request: DemonstrationsRequest,
  task: number,
  numbers: readonly number[],
): Promise<Episode[]> {
  const seed = BigInt(request.seed);
  const uniform = (what: string, step: number, count: number) =>
    numbers.map((number) => draw(randomUniform, runtime, seed, what, step, number, count));
  const chosen = uniform('scene', 0, 6);
  const trials = numbers.map((_, env) => Math.floor((chosen[env]?.[0] ?? 0) * backend.numTrials));
  for (const [env, trial] of trials.entries()) backend.restore(env, task, trial);
  moveObjects(backend, chosen);
  const placed = objectPlaces(backend);
  await settle(runtime, backend);
  const episodes = numbers.map((number, env): Episode => {
    const errand = (chosen[env]?.[1] ?? 0) < request.target ? ERRANDS.target : ERRANDS.other;
    const burst = { left: 0, stray: false, offset: [] };
    return {
      number,
      trial: trials[env] ?? 0,
      placed: placed[env] ?? new Float32Array(9),
      errand,
      frames: [],
      actions: [],
      expert: [],
      clean: [],
      success: false,
      done: null,
      burst,
    };
  });
  const errands = new Int32Array(backend.numEnvs);
  for (const [env, { errand }] of episodes.entries()) errands[env] = errand;
  // Past its end an episode goes on until the last frame has its actions.
  const running = ({ done, actions }: Episode) =>
    done === null ? actions.length < HORIZON : actions.length < done + request.horizon;
  for (let step = 0; episodes.some(running); step++) {
    if (step % request.every === 0) keepFrames(backend, episodes, step);
    const { actions, phases } = backend.expertStep(errands);
    const wanted = actions.read();
    actions.dispose();
    const luck = uniform('burst', step, 2);
    const limit = new Int32Array(backend.numEnvs);
    for (const [env, episode] of episodes.entries()) {
      if (!running(episode)) continue;
      limit[env] = 1;
      const solved = episode.errand === ERRANDS.other || episode.success;
      if (solved && phases[env] === DONE) episode.done ??= step;
      const row = wanted.subarray(env * ACTION_DIM, (env + 1) * ACTION_DIM);
      const stray = phases[env] === REACH || phases[env] === CARRY;
      const { begins, longest, spread } = stray ? STRAY : DISTURBED;
      const [chance = 1, length = 0] = luck[env] ?? [];
      if (episode.burst.left === 0 && chance < begins) {
        const drawn = draw(
          randomNormal,
          runtime,
          seed,
          'offset',
          step,
          episode.number,
          TRANSLATION,
        );
        const offset = drawn.map((x) => spread * x);
        episode.burst = { left: 1 + Math.floor(length * longest), stray, offset };
      }
      const noisy = episode.burst.left > 0;
      episode.expert.push(Float32Array.from(row));
      if (noisy) {
        episode.burst.left--;
        mislead(row, episode.burst);
      }
      episode.actions.push(Float32Array.from(row));
      episode.clean.push(!noisy);
    }
    const executed = Tensor.from(runtime, wanted, [backend.numEnvs, 1, ACTION_DIM]);
    const result = await backend.stepChunk(executed, limit, { pictures: false });
    executed.dispose();
    forget(result);
    checkUnbroken(result, `task ${task}`);
    for (const [env, episode] of episodes.entries()) {
      episode.success ||= limit[env] === 1 && result.success[env] === 1;
    }
  }
  return episodes;
}

function mislead(row: Float32Array | Float64Array, { stray, offset }: Episode['burst']): void {
  for (const [i, by] of offset.entries()) {
    const value = Math.max(-1, Math.min(1, stray ? by : (row[i] ?? 0) + by));
    row[i] = stray && i === 2 ? Math.max(-DOWN, value) : value;
  }
}

/** Numbers of an episode's own stream. */
function draw(
  random: typeof randomUniform,
  runtime: Runtime,
  seed: bigint,
  what: string,
  step: number,
  episode: number,
  count: number,
): number[] {
  const tensor = random(runtime, seed, `demonstrations.${what}.${episode}`, step, 1, count);
  const numbers = [...tensor.read()];
  tensor.dispose();
  return numbers;
}

function keepFrames(backend: LiberoBackend, episodes: readonly Episode[], step: number): void {
  const { images, state } = backend.observe();
  const [main, wrist, states] = [images.main?.read(), images.wrist?.read(), state.read()];
  for (const image of Object.values(images)) image.dispose();
  state.dispose();
  if (main === undefined || wrist === undefined) throw new Error('a camera is missing');
  const objects = objectPlaces(backend);
  const size = SIDE * SIDE * 3;
  for (const [env, episode] of episodes.entries()) {
    const places = objects[env];
    const due = episode.actions.length === step && episode.done === null;
    if (!due || places === undefined) continue;
    episode.frames.push({
      step,
      main: main.slice(env * size, (env + 1) * size),
      wrist: wrist.slice(env * size, (env + 1) * size),
      state: states.slice(env * 8, (env + 1) * 8),
      objects: places,
    });
  }
}

/** The frames whose next actions are all clean; returns how many there were. */
function writeShard(
  runtime: Runtime,
  file: string,
  { horizon }: DemonstrationsRequest,
  task: number,
  episodes: readonly Episode[],
): number {
  const rows = episodes.flatMap((episode) =>
    episode.frames.flatMap((frame) => {
      const clean = episode.clean.slice(frame.step, frame.step + horizon);
      if (clean.length < horizon || !clean.every(Boolean)) return [];
      const chunk = (of: Float32Array[]) => of.slice(frame.step, frame.step + horizon);
      return [{ episode, frame, actions: chunk(episode.actions), expert: chunk(episode.expert) }];
    }),
  );
  const count = rows.length;
  if (count === 0) return 0;
  type Row = (typeof rows)[number];
  const pictures = (camera: 'main' | 'wrist') =>
    Tensor.from(runtime, Buffer.concat(rows.map(({ frame }) => frame[camera])), [
      count,
      SIDE,
      SIDE,
      3,
    ]);
  /** [F, ...shape]: a row's values one behind the other. */
  const floats = (shape: number[], values: (row: Row) => readonly Float32Array[]) => {
    const flat = new Float32Array(shape.reduce((a, b) => a * b, count));
    let at = 0;
    for (const value of rows.flatMap(values)) {
      flat.set(value, at);
      at += value.length;
    }
    return Tensor.from(runtime, flat, [count, ...shape]);
  };
  const whole = (value: (row: Row) => number) =>
    Tensor.from(runtime, Int32Array.from(rows, value), [count]);
  const tensors = new Map<string, Tensor>([
    ['main', pictures('main')],
    ['wrist', pictures('wrist')],
    ['state', floats([8], ({ frame }) => [frame.state])],
    ['objects', floats([3, 3], ({ frame }) => [frame.objects])],
    ['actions', floats([horizon, ACTION_DIM], ({ actions }) => actions)],
    ['expert', floats([horizon, ACTION_DIM], ({ expert }) => expert)],
    ['placed', floats([3, 3], ({ episode }) => [episode.placed])],
    ['task', whole(() => task)],
    ['trial', whole(({ episode }) => episode.trial)],
    ['errand', whole(({ episode }) => episode.errand)],
    ['episode', whole(({ episode }) => episode.number)],
    ['step', whole(({ frame }) => frame.step)],
  ]);
  // Under a temporary name first: a file that is there is whole.
  writeTensors(runtime, `${file}.unfinished`, tensors);
  renameSync(`${file}.unfinished`, file);
  for (const tensor of tensors.values()) tensor.dispose();
  return count;
}

function prepare(out: string): void {
  try {
    makeFolder(out);
    // It is written last: an older one would speak for files that this recording replaces.
    rmSync(join(out, SUMMARY), { force: true });
  } catch (cause) {
    throw new EnvironmentSetupError('ERR_DSRL_UNWRITABLE', `${out} cannot be made`, {
      hint: 'name another folder with --out',
      cause,
    });
  }
}
