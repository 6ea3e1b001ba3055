import { type Config, sampleWindow } from '../config/index.js';
import type { LearnerSettings, NetworkSizes } from '../native/index.js';

/** The networks' sizes from `actor.model.openpi.dsrl_*`. */
export function networkSizes({ actor }: Config): NetworkSizes {
  const { openpi } = actor.model;
  return {
    image_size: openpi.dsrl_image_size,
    image_channels: openpi.dsrl_image_channels,
    image_kernels: openpi.dsrl_image_kernels,
    image_strides: openpi.dsrl_image_strides,
    image_latent_dim: openpi.dsrl_image_latent_dim,
    state_dim: openpi.dsrl_state_dim,
    state_latent_dim: openpi.dsrl_state_latent_dim,
    noise_dim: openpi.dsrl_action_noise_dim,
    hidden_dims: openpi.dsrl_hidden_dims,
    num_q_heads: openpi.dsrl_num_q_heads,
    noise_magnitude: openpi.dsrl_noise_magnitude,
  };
}

/**
 * The learner's hyperparameters from `algorithm` and the optimizers' keys.
 * `adam_eps` is the same for all three optimizers: another configuration does not compose.
 */
export function learnerSettings(config: Config): LearnerSettings {
  const { algorithm, actor } = config;
  const { optim, critic_optim } = actor;
  const { entropy_tuning: entropy } = algorithm;
  return {
    ...networkSizes(config),
    gamma: algorithm.gamma,
    tau: algorithm.tau,
    agg_q: algorithm.agg_q,
    actor_agg_q: algorithm.actor_agg_q,
    backup_entropy: algorithm.backup_entropy,
    bootstrap_type: algorithm.bootstrap_type,
    train_actor_steps: algorithm.train_actor_steps,
    target_update_freq: algorithm.target_update_freq,
    alpha_type: entropy.alpha_type,
    initial_alpha: entropy.initial_alpha,
    target_entropy: entropy.target_entropy,
    actor_lr: optim.lr,
    actor_betas: [optim.adam_beta1, optim.adam_beta2],
    actor_clip: optim.clip_grad,
    critic_lr: critic_optim.lr,
    critic_betas: [critic_optim.adam_beta1, critic_optim.adam_beta2],
    critic_clip: critic_optim.clip_grad,
    alpha_lr: entropy.optim.lr,
    alpha_betas: [0.9, 0.999], // RLinf has no key for them
    alpha_clip: entropy.optim.clip_grad,
    adam_eps: optim.adam_eps,
    micro_batch_size: actor.micro_batch_size,
    critic_subsample_size: Math.max(0, algorithm.critic_subsample_size),
    critic_actor_ratio: algorithm.critic_actor_ratio,
    batch_size: actor.global_batch_size,
    sample_window: sampleWindow(config),
  };
}
