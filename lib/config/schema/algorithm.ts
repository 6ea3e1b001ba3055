import {
  atLeastZero,
  block,
  choice,
  fixed,
  flag,
  fraction,
  honoured,
  inert,
  inertBlock,
  positive,
  real,
  whole,
} from './fields.js';
import { scheduler } from './optimizer.js';

const entropyTuning = block({
  alpha_type: honoured(
    choice('softplus', 'exp', 'fixed_alpha').default('softplus'),
    'how the temperature follows from its parameter; `fixed_alpha`: it stays `initial_alpha`',
  ),
  initial_alpha: honoured(
    atLeastZero().default(0.01),
    'temperature before the first update; 0 is none, with `fixed_alpha` alone',
  ),
  target_entropy: honoured(
    real(),
    'entropy in nats that the temperature aims at',
    'minus `actor.model.action_dim`',
  ),
  optim: block({
    lr: honoured(atLeastZero().default(3e-4), 'learning rate of the temperature'),
    lr_scheduler: scheduler(),
    clip_grad: honoured(positive().default(10), "bound of its gradient's norm"),
  }),
});

const replayBuffer = block({
  min_buffer_size: honoured(whole(1), 'rollouts (all environments) before the first update'),
  cache_size: honoured(whole(1), 'rollouts that the replay holds, at most `capacity`'),
  sample_window_size: honoured(whole(1), 'newest rollouts that batches are drawn from'),
  capacity: honoured(whole(1).default(200_000), 'transitions that the replay holds'),
  device: honoured(choice('cpu', 'cuda').default('cpu'), 'where the replay lies'),
  enable_cache: inert('the replay is always in memory'),
  auto_save: inert('every checkpoint holds the replay'),
  auto_save_path: inert('every checkpoint holds the replay'),
  trajectory_format: inert('every checkpoint holds the replay'),
  enable_preload: inert('the replay is always in memory'),
  prefetch_size: inert('the replay is always in memory'),
});

export const algorithm = block({
  adv_type: fixed('embodied_sac', 'the algorithm', 'this package trains DSRL with SAC'),
  loss_type: fixed('embodied_sac', 'the algorithm', 'this package trains DSRL with SAC'),
  gamma: honoured(fraction(), 'discount of one environment step; a chunk of n steps: gamma^n'),
  tau: honoured(fraction(), 'share of the online critic in the target at each target update'),
  update_epoch: honoured(whole(0).default(1), 'updates in a global step'),
  train_actor_steps: honoured(
    whole(0).default(0),
    'first critic updates that run without actor and temperature',
  ),
  agg_q: honoured(choice('mean', 'min').default('min'), 'the heads in the target'),
  actor_agg_q: honoured(choice('mean', 'min'), "the heads in the actor's loss", '`agg_q`'),
  backup_entropy: honoured(flag().default(true), 'True: the target holds the entropy term'),
  critic_subsample_size: honoured(
    whole(-1).default(-1),
    'heads drawn for a target; -1 and 0: all of them',
  ),
  critic_actor_ratio: honoured(whole(1).default(1), 'critic updates for one of the actor'),
  bootstrap_type: honoured(
    choice('standard', 'always').default('standard'),
    '`always`: success does not end the bootstrap',
  ),
  chunk_reward: honoured(
    choice('per_chunk', 'discounted_sum', 'first_step').default('per_chunk'),
    "a chunk's reward: -1, and 0 on success; its steps' discounted sum; its first step's",
  ),
  entropy_tuning: entropyTuning,
  target_update_freq: honoured(whole(1).default(1), 'updates for one of the target network'),
  target_update_type: fixed('all', 'what the target follows', 'leave it `all`'),
  replay_buffer: replayBuffer,
  rollout_epoch: honoured(
    whole(1).optional(),
    'the older place of `env.train.rollout_epoch`',
    '`env.train.rollout_epoch`',
  ),
  eval_rollout_epoch: inert('an evaluation runs every (task, trial) once'),
  group_size: inert('for policy-gradient training; `env.train.group_size` groups resets'),
  normalize_advantages: inert('for policy-gradient training'),
  kl_penalty: inert('for policy-gradient training'),
  reward_coef: inert('for policy-gradient training'),
  reward_type: inert('for policy-gradient training'),
  logprob_type: inert('for policy-gradient training'),
  entropy_type: inert('for policy-gradient training'),
  loss_agg_func: inert('for policy-gradient training'),
  filter_rewards: inert('for policy-gradient training'),
  rewards_lower_bound: inert('for policy-gradient training'),
  rewards_upper_bound: inert('for policy-gradient training'),
  sampling_params: inertBlock('for language models', [
    'do_sample',
    'temperature_train',
    'temperature_eval',
    'top_k',
    'top_p',
    'repetition_penalty',
  ]),
  length_params: inertBlock('for language models', ['max_new_token', 'max_length', 'min_length']),
});
