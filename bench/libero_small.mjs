// What the small policy for LIBERO-Spatial can do before any training: which bowl it goes for under
// which noise, whether it commits to it, and whether it succeeds once it has gone for the target.
//
//   node bench/libero_small.mjs --policy DIR [--tasks 0,2,8] [--trials 50]
//       [--noise iid,tiled,uniform] [--execute 8]
//
// One JSON line a kind of noise, over all (task, trial). Of a task: how many of its episodes went
// for the target, lifted it then, and were successes. "Headed for": the bowl that the gripper
// has come nearer to, by a chunk's end. "Went for": the bowl that is lifted first, else the one
// that the gripper ends nearest to. Needs a built checkout and LIBERO's bundle with its reduced
// scene.

import { parseArgs } from 'node:util';
import {
  createRuntime,
  LiberoBackend,
  randomNormal,
  randomUniform,
  succeeded,
  Tensor,
} from '../dist/native/index.js';
import { FrozenPolicy } from '../dist/policy/index.js';
import { wilson } from '../dist/train/index.js';

const { values } = parseArgs({
  options: {
    policy: { type: 'string' },
    tasks: { type: 'string', default: '0,2,8' },
    trials: { type: 'string', default: '50' },
    noise: { type: 'string', default: 'iid,tiled,uniform' },
    seed: { type: 'string', default: '0' },
    execute: { type: 'string' },
  },
});
if (values.policy === undefined) throw new Error('--policy DIR is missing');
const [ENVS, STEPS, WARM_UP] = [16, 240, 15];
// Of a saved state: time, then qpos with 7 joints, 2 fingers, and a free joint of 7 an object.
const bowlAt = (bowl) => 1 + 9 + 7 * bowl;
const LIFTED = 0.03; // metres

const runtime = createRuntime({ device: 'cpu' });
const policy = FrozenPolicy.load(runtime, values.policy);
const { horizon, noise_dim: width, num_steps: steps, action_dim: numbers } = policy.metadata;
const execute = Number(values.execute ?? horizon);
const backend = new LiberoBackend(runtime, {
  numEnvs: ENVS,
  cameras: policy.metadata.cameras,
  imageSize: policy.metadata.image_size,
  lod: true,
  msaa: 0,
  threads: 2,
});

function noiseOf(kind, chunk, first) {
  const columns = kind === 'iid' ? horizon * width : width;
  const random = kind === 'uniform' ? randomUniform : randomNormal;
  const name = `bench.${kind}.${first}`;
  const drawn = random(runtime, BigInt(values.seed), name, chunk, ENVS, columns);
  const numbers = Float32Array.from(drawn.read(), (x) => (kind === 'uniform' ? 2 * x - 1 : x));
  drawn.dispose();
  const shape = kind === 'iid' ? [ENVS, horizon, width] : [ENVS, width];
  return Tensor.from(runtime, numbers, shape, 'float32');
}

/** Where the gripper is, and both bowls, of each environment: [x, y, z]. */
function places(state) {
  const saved = backend.saveState();
  const size = saved.length / ENVS;
  const at = (env, from) => [0, 1, 2].map((axis) => saved[env * size + from + axis]);
  return Array.from({ length: ENVS }, (_, env) => ({
    gripper: [...state.subarray(env * 8, env * 8 + 3)],
    bowls: [0, 1].map((bowl) => at(env, bowlAt(bowl))),
  }));
}

const distance = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);

async function wave(kind, scenes, first) {
  for (const [env, { task, trial }] of scenes.entries()) backend.restore(env, task, trial);
  const still = Tensor.from(
    runtime,
    Float64Array.from({ length: ENVS * WARM_UP * 7 }, (_, i) => (i % 7 === 6 ? -1 : 0)),
    [ENVS, WARM_UP, 7],
  );
  const all = new Int32Array(ENVS).fill(WARM_UP);
  let { observation } = await backend.stepChunk(still, all);
  const prompts = Array.from({ length: ENVS }, (_, env) => backend.prompt(scenes[env]?.task ?? 0));
  const begin = places(observation.state.read());
  const records = scenes.map(() => ({ success: false, steps: STEPS, headed: [], lifted: null }));
  for (let chunk = 0; chunk * execute < STEPS && records.some((it) => !it.success); chunk++) {
    const noise = noiseOf(kind, chunk, first);
    const actions = await policy.sample({ ...observation, prompts }, noise, steps);
    const limit = new Int32Array(ENVS);
    for (const [env, { success }] of records.entries()) if (!success) limit[env] = execute;
    const whole = actions.read();
    const rows = Array.from({ length: ENVS }, (_, env) =>
      whole.subarray(env * horizon * numbers, (env * horizon + execute) * numbers),
    );
    const cut = Tensor.from(runtime, Float32Array.from(rows.flatMap((row) => [...row])), [
      ENVS,
      execute,
      numbers,
    ]);
    const result = await backend.stepChunk(cut, limit);
    observation = result.observation;
    for (const [env, place] of places(observation.state.read()).entries()) {
      const record = records[env];
      if (record === undefined || record.success) continue;
      if (succeeded(result, env, execute)) {
        record.success = true;
        record.steps = chunk * execute + result.executed[env];
      }
      const { gripper, bowls } = place;
      const nearer = bowls.map((bowl, i) => {
        const { gripper: from, bowls: was } = begin[env];
        return distance(from, was[i]) - distance(gripper, bowl);
      });
      record.headed.push(nearer[0] > nearer[1] ? 0 : 1);
      const lifted = bowls.findIndex((bowl, i) => bowl[2] > begin[env].bowls[i][2] + LIFTED);
      if (record.lifted === null && lifted >= 0) record.lifted = lifted;
      record.nearest = distance(gripper, bowls[0]) < distance(gripper, bowls[1]) ? 0 : 1;
    }
  }
  return records.map((it) => ({ ...it, went: it.success ? 0 : (it.lifted ?? it.nearest) }));
}

const scenes = values.tasks
  .split(',')
  .flatMap((task) =>
    Array.from({ length: Number(values.trials) }, (_, trial) => ({ task: Number(task), trial })),
  );

for (const kind of values.noise.split(',')) {
  const records = [];
  for (let first = 0; first < scenes.length; first += ENVS) {
    records.push(...(await wave(kind, scenes.slice(first, first + ENVS), first)));
  }
  const fraction = (list, test) => {
    const count = list.filter(test).length;
    return { of: list.length, fraction: Number((count / list.length).toFixed(3)) };
  };
  const target = records.filter(({ went }) => went === 0);
  const { low, high } = wilson(records.filter((it) => it.success).length, records.length);
  const done = records
    .filter((it) => it.success)
    .map((it) => it.steps)
    .sort((a, b) => a - b);
  console.log(
    JSON.stringify({
      noise: kind,
      success: fraction(records, (it) => it.success),
      interval: [low, high].map((x) => Number(x.toFixed(3))),
      tasks: values.tasks.split(',').map((task) => {
        const own = records.filter((_, i) => scenes[i].task === Number(task));
        const sent = own.filter(({ went }) => went === 0);
        const successes = sent.filter(({ success }) => success).length;
        const lifted = sent.filter((it) => it.success || it.lifted === 0).length;
        return { task: Number(task), of: own.length, went: sent.length, lifted, successes };
      }),
      went_for_target: fraction(records, (it) => it.went === 0),
      success_given_target: fraction(target, (it) => it.success),
      lifted_given_target: fraction(target, (it) => it.success || it.lifted === 0),
      lifted_given_other: fraction(
        records.filter((it) => it.went === 1),
        (it) => it.lifted === 1,
      ),
      committed_after_chunk: [1, 2, 3].map(
        (chunk) => fraction(records, (it) => it.headed[chunk - 1] === it.went).fraction,
      ),
      median_steps: done[Math.floor(done.length / 2)],
    }),
  );
}
