// What a program meets where Node allows no arrays over native memory; run with and without
// DSRL_NO_EXTERNAL_BUFFERS=1 by no_external_buffers.test.ts.
//
//   node no_external_buffers.mjs LIBRARY FOLDER
import { join } from 'node:path';

const [library, folder] = process.argv.slice(2);
const {
  composeConfig,
  createProgress,
  createRuntime,
  Environments,
  Policy,
  ResetList,
  TabletopBackend,
  Tensor,
  train,
} = await import(library);

const runtime = createRuntime({ device: 'cpu' });
const tensor = Tensor.from(runtime, Float32Array.of(1, 2, 3, 4), [2, 2]);

function viewed() {
  try {
    return [...tensor.view()];
  } catch ({ code, message, hint }) {
    return { code, message, hint };
  }
}

/** What a film is shown of the first chunk: the sum of each picture. */
async function filmed() {
  const sums = [];
  const record = async (shots) => {
    for (const { picture } of shots.flatMap(({ frames }) => frames)) {
      sums.push(picture.data.reduce((sum, value) => sum + value, 0));
    }
  };
  const size = { numEnvs: 1, imageSize: 16, frameSize: 16 };
  const envs = new Environments({
    runtime,
    backend: new TabletopBackend(runtime, { ...size, seed: 0n }),
    schedule: new ResetList([{ task: 0, trial: 0 }]),
    film: { everyStep: true, wants: () => true, record },
    chunk: 2,
    maxEpisodeSteps: 60,
    autoReset: false,
    chunkReward: 'per_chunk',
    gamma: 0.99,
    frameSize: 16,
  });
  await envs.reset();
  await envs.stepChunk(Tensor.from(runtime, new Float32Array(14).fill(0.5), [1, 2, 7]));
  return sums;
}

async function inferred() {
  const policy = await Policy.load('policies/tabletop', { device: 'cpu' });
  const images = { main: { data: new Uint8Array(64 * 64 * 3), height: 64, width: 64 } };
  const state = [0.5, 0.5, 0.4, Math.PI, 0, 0, 0.04, -0.04];
  const { actions } = await policy.infer({ images, state, prompt: 'tidy' });
  policy.dispose();
  return [...actions];
}

async function trained() {
  const overrides = [
    'runner.max_steps=1',
    'algorithm.update_epoch=1',
    'env.train.total_num_envs=2',
    'actor.global_batch_size=8',
    'runner.val_check_interval=-1',
  ];
  const { config } = composeConfig({ recipe: 'tabletop', overrides });
  const progress = createProgress({ format: 'quiet', totalSteps: 1 });
  const { envSteps, history } = await train({
    config,
    runtime,
    progress,
    runDir: join(folder, 'run'),
  });
  return { envSteps, history };
}

const said = {
  zeroCopy: runtime.zeroCopy,
  view: viewed(),
  read: [...tensor.read()],
  later: [...(await tensor.readAsync())],
  filmed: await filmed(),
  inferred: await inferred(),
  trained: await trained(),
};
tensor.dispose();
console.log(JSON.stringify(said));
