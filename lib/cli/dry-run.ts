import { resolve } from 'node:path';
import { replayBytes, replayCapacity, resolveModelPath, totalSteps } from '../config/index.js';
import { createRuntime, Learner } from '../native/index.js';
import { FrozenPolicy } from '../policy/index.js';
import { learnerSettings } from '../train/index.js';
import type { TrainPlan } from './train-plan.js';

/** `train --dry-run`: opens torch and the policy, makes the networks, writes nothing. */
export function dryRun({ config, runDir, resume }: TrainPlan): number {
  const runtime = createRuntime({ device: config.device });
  const folder = resolveModelPath(config);
  const policy = FrozenPolicy.load(runtime, folder);
  policy.checkFits(config);
  const settings = learnerSettings(config);
  const learner = new Learner(runtime, settings, BigInt(config.seed));
  const { actor, critic } = learner.parameterCounts;
  const { logger } = config.runner;
  const place = `${resolve(logger.log_path)}/${logger.experiment_name}-<time>-s${config.seed}`;
  const count = (value: number) => value.toLocaleString('en-US');
  const heads = headParameters(settings);
  const rows = [
    ['torch', `${runtime.torchVersion} on ${runtime.device}`],
    ['policy', `${count(policy.parameterCount)} parameters, frozen: ${folder}`],
    [
      'agent',
      `${count(actor + critic)} parameters: actor ${count(actor)}, critic ${count(critic)}, ` +
        `of these ${count(heads)} in its ${settings.num_q_heads} heads`,
    ],
    [
      'replay',
      `${count(replayCapacity(config))} transitions, ` +
        `${(replayBytes(config) / 1e6).toFixed(1)} MB when full`,
    ],
    ['training', `${count(totalSteps(config))} global steps`],
    ['run', runDir === undefined ? place : resolve(runDir)],
    ...(resume === undefined ? [] : [['resume', resume]]),
  ];
  process.stdout.write(rows.map(([name = '', text]) => `${name.padEnd(10)}${text}\n`).join(''));
  return 0;
}

/** Weights, biases and layer norms of the Q heads without their encoders. */
function headParameters(settings: ReturnType<typeof learnerSettings>): number {
  const { image_size, image_latent_dim, state_latent_dim, noise_dim, hidden_dims } = settings;
  let width = (image_size > 0 ? image_latent_dim : 0) + state_latent_dim + noise_dim;
  let parameters = 0;
  for (const hidden of hidden_dims) {
    parameters += width * hidden + 3 * hidden;
    width = hidden;
  }
  return settings.num_q_heads * (parameters + width + 1);
}
