// A program that works natively and ends in the middle of it, for lifetimes.test.ts.
//
//   node life_stages.mjs LIBRARY STAGE END
//
// STAGE: what is under way; END: how the program leaves it. It leaves its files in TMPDIR.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMainThread, Worker, workerData } from 'node:worker_threads';

const [library, stage, end] = isMainThread ? process.argv.slice(2) : workerData;
const { Agent, composeConfig, createRuntime, Learner, learnerSettings, networkSizes } =
  await import(library);
const { Policy, RemotePolicy, Replay, serve, TabletopBackend, Tensor, Trainer } = await import(
  library
);

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
  // The thread that saves waits for the replay, which the other one learns from.
  'saving behind an update': async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dsrl-stage-'));
    const replay = filledReplay();
    const updated = learner().update(100_000, replay);
    await pause();
    return [updated, replay.save(join(folder, 'replay'))];
  },
  inferring: async () => {
    const policy = await Policy.load(policyFolder, { device: 'cpu' });
    return Array.from({ length: 20 }, () => policy.infer(reading, { numSteps: 200 }));
  },
  stepping: async () => {
    const backend = new TabletopBackend(runtime, { numEnvs: 64, seed: 0n, imageSize: 256 });
    for (let env = 0; env < 64; env++) backend.restore(env, 0, env % 50);
    const actions = Tensor.from(runtime, new Float32Array(64 * 50 * 7), [64, 50, 7]);
    return [backend.stepChunk(actions, new Int32Array(64).fill(50))];
  },
  'loading a policy': async () => Array.from({ length: 20 }, () => Policy.load(policyFolder)),
  serving: async () => {
    const policy = await Policy.load(policyFolder, { device: 'cpu' });
    const server = await serve(policy, { port: 0 });
    const remote = await RemotePolicy.connect(server.url);
    const main = { data: reading.images.main, height: 64, width: 64 };
    return Array.from({ length: 20 }, () => remote.infer({ ...reading, images: { main } }));
  },
  training: async () => {
    const overrides = ['device=cpu', 'env.train.total_num_envs=4', 'algorithm.update_epoch=100000'];
    const { config } = composeConfig({ recipe: 'tabletop', overrides });
    const runDir = join(mkdtempSync(join(tmpdir(), 'dsrl-stage-')), 'run');
    const trainer = new Trainer(config, { runDir });
    const ended = (async () => {
      for await (const event of trainer.run()) if (event.type === 'episode') break;
    })();
    await Promise.race([ended, new Promise((resolve) => setTimeout(resolve, 1500))]);
    return [ended];
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
} else if (end === 'workers that end') {
  // Each does its work, and ends by itself.
  const data = { workerData: [library, stage, 'done'] };
  const workers = Array.from({ length: 4 }, () => new Worker(new URL(import.meta.url), data));
  const ends = workers.map((worker) => new Promise((resolve) => worker.on('exit', resolve)));
  console.log(JSON.stringify(await Promise.all(ends)));
} else if (end === 'done') {
  await Promise.all(await STAGES[stage]());
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
