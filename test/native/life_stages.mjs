// A program that works natively and ends in the middle of it, for lifetimes.test.ts.
//
//   node life_stages.mjs LIBRARY STAGE END
//
// STAGE: what is under way; END: how the program leaves it.
import { isMainThread, Worker, workerData } from 'node:worker_threads';

const [library, stage, end] = isMainThread ? process.argv.slice(2) : workerData;
const { Agent, composeConfig, createRuntime, Learner, learnerSettings, networkSizes } =
  await import(library);
const { Policy, Replay, Tensor } = await import(library);

const runtime = createRuntime({ device: 'cpu' });
const { config } = composeConfig({ recipe: 'tabletop', overrides: [] });
const sizes = networkSizes(config);
const ROWS = 64;

function observed() {
  const side = sizes.image_size;
  const frame = Tensor.from(runtime, new Uint8Array(ROWS * side * side * 3), [ROWS, side, side, 3]);
  const state = Tensor.from(runtime, new Float32Array(ROWS * sizes.state_dim), [
    ROWS,
    sizes.state_dim,
  ]);
  return { frame, state };
}

function filledReplay() {
  const replay = new Replay(runtime, sizes, 4 * ROWS, ROWS);
  const { frame, state } = observed();
  replay.append({
    frame,
    state,
    nextFrame: frame,
    nextState: state,
    noise: Tensor.from(runtime, new Float32Array(ROWS * 32), [ROWS, 32]),
    rewards: new Float32Array(ROWS).fill(-1),
    steps: new Int32Array(ROWS).fill(1),
    terminated: new Uint8Array(ROWS),
    active: new Uint8Array(ROWS).fill(1),
    version: 0,
  });
  return replay;
}

function learner() {
  return new Learner(runtime, learnerSettings(config), 0n);
}

const policyFolder = new URL('../../policies/tabletop', import.meta.url).pathname;
const reading = {
  images: { main: new Uint8Array(64 * 64 * 3) },
  state: new Float32Array(8),
  prompt: 'tidy',
};

const STAGES = {
  nothing: async () => {},
  acting: async () => [new Agent(runtime, sizes, 0n).act(observed(), { step: 0 })],
  updating: async () => [learner().update(100_000, filledReplay())],
  inferring: async () => {
    const policy = await Policy.load(policyFolder, { device: 'cpu' });
    return Array.from({ length: 20 }, () => policy.infer(reading, { numSteps: 200 }));
  },
  'done with an update': async () => {
    await learner().update(1, filledReplay());
    return [];
  },
  'disposed of a policy': async () => {
    const policy = await Policy.load(policyFolder, { device: 'cpu' });
    const last = policy.infer(reading);
    policy.dispose();
    await last;
    return [];
  },
};

const pause = () => new Promise((resolve) => setTimeout(resolve, 50));

if (end === 'worker') {
  // Four workers of one process, each at its stage, each ended from here.
  const workers = Array.from(
    { length: 4 },
    () => new Worker(new URL(import.meta.url), { workerData: [library, stage, 'hang'] }),
  );
  const ends = workers.map((worker) => new Promise((resolve) => worker.on('exit', resolve)));
  await Promise.all(workers.map((worker) => new Promise((ready) => worker.on('message', ready))));
  await Promise.all(workers.map((worker) => worker.terminate()));
  console.log(JSON.stringify(await Promise.all(ends)));
} else {
  const jobs = (await STAGES[stage]()) ?? [];
  for (const job of jobs) job.catch(() => {});
  await pause();
  if (end === 'exit') process.exit(7);
  if (end === 'throw') throw new Error('a fault of the program itself');
  if (end === 'abandon') process.exitCode = 7;
  if (end === 'hang') {
    const { parentPort } = await import('node:worker_threads');
    parentPort.postMessage('ready');
    setInterval(() => {}, 1000);
  }
}
