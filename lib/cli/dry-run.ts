import { replayBytes, replayCapacity, resolveModelPath, totalSteps } from '../config/index.js';
import { DivergedError } from '../errors.js';
import {
  createRuntime,
  Learner,
  type LearnerSettings,
  Replay,
  type Runtime,
  Tensor,
} from '../native/index.js';
import { FrozenPolicy } from '../policy/index.js';
import { chooseRunFolder, compareWithCheckpoint, learnerSettings, runOf } from '../train/index.js';
import type { TrainPlan } from './train-plan.js';

/**
 * `train --dry-run`: opens torch and the policy, makes the networks, runs one update on data that
 * mean nothing, writes nothing.
 */
export async function dryRun({ config, runDir, resume }: TrainPlan): Promise<number> {
  const folder = resume === undefined ? chooseRunFolder(config, runDir) : runOf(resume);
  const changes = resume === undefined ? [] : compareWithCheckpoint(config, resume);
  for (const change of changes) process.stderr.write(`note: ${change}\n`);
  const runtime = createRuntime({ device: config.device });
  const model = resolveModelPath(config);
  const policy = FrozenPolicy.load(runtime, model);
  policy.checkFits(config);
  const settings = learnerSettings(config);
  const learner = new Learner(runtime, settings, BigInt(config.seed));
  const { actor, critic, heads } = learner.parameterCounts;
  await tryUpdate(runtime, settings);
  const count = (value: number) => value.toLocaleString('en-US');
  const rows = [
    ['torch', `${runtime.torchVersion} on ${runtime.device}`],
    ['policy', `${count(policy.parameterCount)} parameters, frozen: ${model}`],
    [
      'agent',
      `${count(actor + critic)} parameters: actor ${count(actor)}, critic ${count(critic)}, ` +
        `of these ${count(heads)} in its ${settings.num_q_heads} heads`,
    ],
    [
      'replay',
      `${count(replayCapacity(config))} transitions, ` +
        `at most ${(replayBytes(config) / 1e6).toFixed(1)} MB, which is reserved at once`,
    ],
    ['training', `${count(totalSteps(config))} global steps`],
    ['run', folder],
    ...(resume === undefined ? [] : [['resume', resume]]),
  ];
  process.stdout.write(rows.map(([name = '', text]) => `${name.padEnd(10)}${text}\n`).join(''));
  return 0;
}

/** One update, the actor's and the temperature's steps included, on transitions of zeros. */
async function tryUpdate(runtime: Runtime, settings: LearnerSettings): Promise<void> {
  const { image_size, state_dim, noise_dim } = settings;
  const learner = new Learner(runtime, { ...settings, train_actor_steps: 0 }, 0n);
  const numEnvs = 2;
  const replay = new Replay(runtime, settings, 2 * numEnvs, numEnvs);
  const zeros = (width: number) =>
    Tensor.from(runtime, new Float32Array(numEnvs * width), [numEnvs, width]);
  const pixels = new Uint8Array(numEnvs * image_size ** 2 * 3);
  const frame = () =>
    image_size === 0
      ? null
      : Tensor.from(runtime, pixels, [numEnvs, image_size, image_size, 3], 'uint8');
  replay.append({
    frame: frame(),
    state: zeros(state_dim),
    nextFrame: frame(),
    nextState: zeros(state_dim),
    noise: zeros(noise_dim),
    rewards: new Float32Array(numEnvs).fill(-1),
    steps: new Int32Array(numEnvs).fill(1),
    terminated: new Uint8Array(numEnvs),
    active: new Uint8Array(numEnvs).fill(1),
    version: 0,
  });
  await learner.update(1, replay);
  if (await learner.finite()) return;
  throw new DivergedError('the first update of a fresh agent is not finite', {
    hint: 'lower the learning rates: actor.optim.lr, actor.critic_optim.lr',
  });
}
