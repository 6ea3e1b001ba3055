import { readFileSync } from 'node:fs';
import * as z from 'zod';
import { reasonOf, UsageError } from '../errors.js';
import type { LearnerSettings } from '../native/index.js';

const count = z.int().min(1);
const whole = z.int().min(0);
const positive = z.number().positive();
const betas = z.tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)]);
const aggregation = z.enum(['mean', 'min']).default('mean');

/** Padding is 1 for kernel 3 and none for even kernels; the encoder has no others. */
const kernel = z.int().refine((side) => side === 3 || (side >= 2 && side % 2 === 0), {
  error: (issue) => `kernel ${issue.input}: only 3 and even kernels exist`,
});

/** The `--config` of `debug replay-updates`: the learner's settings and their defaults. */
const schema = z
  .strictObject({
    image_size: whole.default(64),
    image_strides: z.array(count).default([2, 1, 1, 1]),
    image_kernels: z.array(kernel).default([3, 3, 3, 3]),
    image_channels: z.array(count).default([32, 32, 32, 32]),
    image_latent_dim: count.default(64),
    state_dim: count.default(8),
    state_latent_dim: count.default(64),
    noise_dim: count.default(32),
    hidden_dims: z.array(count).min(1).default([128, 128, 128]),
    num_q_heads: count.default(10),
    noise_magnitude: positive.default(1),
    gamma: z.number().min(0).max(1).default(0.999),
    tau: z.number().positive().max(1).default(0.005),
    agg_q: aggregation,
    actor_agg_q: aggregation,
    backup_entropy: z.boolean().default(false),
    bootstrap_type: z.enum(['standard', 'always']).default('standard'),
    train_actor_steps: whole.default(0),
    target_update_freq: count.default(1),
    alpha_type: z.enum(['softplus', 'exp', 'fixed_alpha']).default('softplus'),
    initial_alpha: z.number().min(0).default(1),
    target_entropy: z.number().default(-16),
    actor_lr: z.number().min(0).default(1e-4),
    actor_betas: betas.default([0.9, 0.96]),
    actor_clip: positive.default(3.5),
    critic_lr: z.number().min(0).default(3e-4),
    critic_betas: betas.default([0.9, 0.999]),
    critic_clip: positive.default(10),
    alpha_lr: z.number().min(0).default(3e-4),
    alpha_betas: betas.default([0.9, 0.999]),
    alpha_clip: positive.default(10),
    adam_eps: positive.default(1e-8),
    micro_batch_size: whole.default(0),
  })
  .check(({ value, issues }) => {
    const refuse = (key: string, message: string) =>
      issues.push({ code: 'custom', path: [key], message, input: value });
    if (value.initial_alpha === 0 && value.alpha_type !== 'fixed_alpha') {
      refuse('initial_alpha', 'must be positive unless alpha_type is fixed_alpha');
    }
    if (value.image_size === 0) return; // no encoder, whatever the lists say
    const { image_channels, image_kernels, image_strides } = value;
    const lengths = [image_channels, image_kernels, image_strides].map(({ length }) => length);
    if (new Set(lengths).size === 1 && image_channels.length > 0) return;
    refuse(
      'image_strides',
      'image_channels, image_kernels and image_strides have ' +
        `${lengths.join(', ')} entries; they have one for each layer`,
    );
  });

/**
 * Reads the settings. What draws and schedules batches in training has no say here: the batches are
 * given, so those keys stand at values that do nothing.
 *
 * @throws UsageError ERR_DSRL_REPLAY_CONFIG that names the keys that are wrong
 */
export function readSettings(file: string): LearnerSettings {
  const wrong = (what: string, cause: unknown) =>
    new UsageError('ERR_DSRL_REPLAY_CONFIG', `${file}: ${what}`, {
      hint: 'the keys are listed by `dsrl-native debug replay-updates --help`',
      cause,
    });
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw wrong(reasonOf(cause), cause);
  }
  const result = schema.safeParse(json);
  if (!result.success) {
    const issues = result.error.issues.map(({ path, message }) => {
      const key = path.join('.');
      const given = (json as Record<string, unknown> | null)?.[String(path[0])];
      const shown = given === undefined ? '' : ` (it is ${JSON.stringify(given)})`;
      return key === '' ? message : `${key}: ${message}${shown}`;
    });
    throw wrong(issues.join('; '), result.error);
  }
  const idle = { critic_subsample_size: 0, critic_actor_ratio: 1, batch_size: 1, sample_window: 0 };
  return { ...result.data, ...idle };
}

/** The keys with their defaults, for the help. */
export function defaultSettings(): string {
  return JSON.stringify(schema.parse({}));
}
