import * as z from 'zod';
import {
  block,
  choice,
  described,
  fixed,
  fixedTyped,
  honoured,
  inert,
  inertBlock,
  positive,
  text,
  whole,
  wholes,
} from './fields.js';
import { adam } from './optimizer.js';

/** As many as a policy takes in one call. */
const eulerSteps = () => whole(1, 1000);

/** Padding is 1 for kernel 3 and none for even kernels; the encoder has no others. */
const kernel = z
  .int()
  .min(2)
  .refine((side) => side === 3 || side % 2 === 0);
const kernels = described(z.array(kernel).min(1), 'a list of 3 or even numbers');

/** RLinf says "do not change": the precision of its copy of the frozen policy. */
const precision = described(
  z.union([z.null(), z.literal('fp32'), z.literal('float32'), z.literal(32), z.literal('32')]),
  'only null',
).default(null);

const openpi = block({
  use_dsrl: fixedTyped(
    described(z.literal(true), 'only True'),
    'True: an agent learns the noise of the frozen policy',
    'set it True; this package trains nothing but DSRL',
  ),
  config_name: honoured(text().optional(), "the policy's openpi configuration", "the policy's own"),
  task: honoured(text().optional(), 'newer files: the variant of the policy', "the policy's own"),
  num_steps: honoured(
    eulerSteps().optional(),
    'the same as `actor.model.num_steps`',
    '`actor.model.num_steps`',
  ),
  action_chunk: honoured(
    whole(1).optional(),
    'the same as `actor.model.num_action_chunks`',
    '`actor.model.num_action_chunks`',
  ),
  action_env_dim: honoured(
    whole(1).optional(),
    'the same as `actor.model.action_dim`',
    '`actor.model.action_dim`',
  ),
  action_horizon: honoured(
    whole(1).optional(),
    "length of the policy's action sequence",
    "the policy's own",
  ),
  dsrl_state_dim: honoured(whole(1).default(8), 'numbers of proprioception that the agent sees'),
  dsrl_action_noise_dim: fixed(32, 'numbers of noise that the agent chooses', 'leave it 32'),
  dsrl_num_q_heads: honoured(whole(1).default(10), 'critics in the ensemble'),
  dsrl_image_latent_dim: honoured(whole(1).default(64), "width of the picture's features"),
  dsrl_state_latent_dim: honoured(whole(1).default(64), "width of the state's features"),
  dsrl_hidden_dims: honoured(
    wholes(1).default([128, 128, 128]),
    'hidden layers of the actor and of each critic',
  ),
  dsrl_image_size: honoured(
    whole(0).default(64),
    "side of the agent's frame in pixels; 0: no picture",
  ),
  dsrl_image_strides: honoured(wholes(1).default([2, 1, 1, 1]), "the encoder's strides"),
  dsrl_image_kernels: honoured(
    kernels.default([3, 3, 3, 3]),
    "the encoder's kernels; padding 1 for 3, none for even ones",
  ),
  dsrl_image_channels: honoured(wholes(1).default([32, 32, 32, 32]), "the encoder's channels"),
  dsrl_noise_magnitude: honoured(positive().default(1), 'b: the noise lies in (-b, b)'),
  dsrl_agg_q: inert('`algorithm.agg_q` decides'),
  train_expert_only: inert('the policy is frozen whole'),
  noise_method: inert('for policy-gradient training'),
  noise_level: inert('for policy-gradient training'),
  add_value_head: inert('for policy-gradient training'),
  value_after_vlm: inert('for policy-gradient training'),
  value_vlm_mode: inert('for policy-gradient training'),
  detach_critic_input: inert('for policy-gradient training'),
  num_images_in_input: inert("the policy's own cameras"),
  model_action_dim: inert("the policy's own sizes"),
  paligemma_variant: inert("the policy's own sizes"),
  action_expert_variant: inert("the policy's own sizes"),
  max_token_len: inert("the policy's own sizes"),
});

/** Keys of RLinf's that say the same twice: `actor.model.openpi.*`, and `actor.model.*`. */
export const TWINS = [
  ['num_steps', 'num_steps'],
  ['action_chunk', 'num_action_chunks'],
  ['action_env_dim', 'action_dim'],
] as const;

const model = block({
  model_path: honoured(
    text(),
    'folder of the frozen policy; a bare name is one that this package ships',
    'tabletop: `tabletop`',
  ),
  model_type: honoured(
    choice('openpi', 'openpi_rlinf').default('openpi'),
    'the kind of the frozen policy',
  ),
  num_action_chunks: honoured(whole(1).default(10), 'actions that run open loop in one decision'),
  num_steps: honoured(eulerSteps().default(4), "Euler steps of the policy's flow"),
  action_dim: honoured(whole(1).default(7), 'numbers of a robot action'),
  precision: fixedTyped(
    precision,
    'precision of the policy: the one it was exported in',
    'leave it null; `actor.compute` is the precision of the updates',
  ),
  is_lora: fixed(false, 'LoRA', 'merge the adapters into the checkpoint first'),
  lora_rank: inert('for LoRA'),
  use_proprio: inert("the policy's own inputs"),
  add_value_head: inert('for policy-gradient training'),
  add_q_head: inert('the agent has its critics'),
  q_head_type: inert('the agent has its critics'),
  openpi,
});

export const actor = block({
  model,
  seed: honoured(whole(0).default(1234), 'the seed where `seed` is absent'),
  micro_batch_size: honoured(
    whole(0).default(0),
    'transitions at a time, bounds memory alone; 0: the whole batch',
  ),
  global_batch_size: honoured(whole(1), 'transitions in an update'),
  compute: honoured(
    choice('fp32', 'bf16').default('fp32'),
    'arithmetic over float32 master weights',
  ),
  enable_drq: fixed(false, 'random shifts of the picture', 'leave it False'),
  optim: adam('actor', { lr: 1e-4, beta2: 0.96, clip: 3.5 }),
  critic_optim: adam('critic', { lr: 3e-4, beta2: 0.999, clip: 10 }),
  fsdp_config: inertBlock('for FSDP', ['strategy', 'sharding_strategy', 'use_orig_params']),
  group_name: inert('for Ray'),
  training_backend: inert('for FSDP'),
  enable_offload: inert('for offloading'),
});

export const rollout = block({
  model: block({
    model_path: honoured(text(), 'the same folder', '`actor.model.model_path`'),
    precision: inert('`actor.model.precision` decides'),
  }),
  collect_transitions: fixed(true, 'transitions are what DSRL learns from', 'leave it True'),
  group_name: inert('for Ray'),
  generation_backend: inert('there is one backend'),
  recompute_logprobs: inert('for policy-gradient training'),
  unnorm_key: inert("the policy's own statistics"),
  enable_offload: inert('for offloading'),
  pipeline_stage_num: inert('for Ray'),
  collect_prev_infos: inert('for policy-gradient training'),
  collect_final_values: inert('for policy-gradient training'),
  enable_torch_compile: inert("for PyTorch's compiler"),
  enable_cuda_graph: inert('the device decides'),
});
