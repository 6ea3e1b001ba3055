/** What the keys demand of each other. Run on a configuration whose keys are right one by one. */
import { replayCapacity, transitionsPerRollout } from './derived.js';
import type { Problems } from './problems.js';
import { TWINS } from './schema/actor.js';
import { SUITES, TASKS, TRIALS_PER_TASK } from './schema/environment.js';
import type { Config } from './schema/root.js';
import { lookup, type MapNode } from './tree.js';

/** Says that the value at a path cannot stand beside another. */
type Conflict = (path: string, message: string, hint: string) => void;

export function checkConflicts(config: Config, root: MapNode, problems: Problems): void {
  const conflict: Conflict = (path, message, hint) => {
    const node = lookup(root, path.split('.'));
    const where = node === undefined ? root.origin.where : node.origin.where;
    problems.add('ERR_DSRL_CONFIG_CONFLICT', `${where}: ${path}: ${message}`, hint);
  };
  for (const role of ['train', 'eval'] as const) checkEnvironment(config, role, conflict);
  checkGroups(config, conflict);
  checkPolicy(config, conflict);
  checkEncoder(config, conflict);
  checkLearner(config, conflict);
}

function checkEnvironment(config: Config, role: 'train' | 'eval', conflict: Conflict): void {
  const env = config.env[role];
  const path = `env.${role}`;
  const chunk = config.actor.model.num_action_chunks;
  const steps = env.max_steps_per_rollout_epoch;
  if (steps % chunk !== 0) {
    const nearest = Math.max(chunk, Math.round(steps / chunk) * chunk);
    conflict(
      `${path}.max_steps_per_rollout_epoch`,
      `${steps} is not a multiple of actor.model.num_action_chunks, ${chunk}`,
      `type \`${path}.max_steps_per_rollout_epoch=${nearest}\``,
    );
  }
  // Of a suite that has to be opened for it, the ids are checked when it is.
  const tasks = TASKS[env.env_type] ?? Number.POSITIVE_INFINITY;
  const last = tasks * TRIALS_PER_TASK - 1;
  if (env.specific_reset_id !== null && env.specific_reset_id > last) {
    conflict(
      `${path}.specific_reset_id`,
      `${env.env_type} has the reset ids 0 to ${last}, found ${env.specific_reset_id}`,
      `a reset id is ${TRIALS_PER_TASK} task + trial; null for all of them`,
    );
  }
  const strange = env.task_id_filter?.find((task) => task >= tasks);
  if (strange !== undefined) {
    conflict(
      `${path}.task_id_filter`,
      `${env.env_type} has the tasks 0 to ${tasks - 1}, found ${strange}`,
      'null for all of them',
    );
  }
  const suites: readonly string[] = SUITES[env.env_type];
  const suite = env.task_suite_name;
  if (suite === undefined || suites.includes(suite)) return;
  conflict(
    `${path}.task_suite_name`,
    `${env.env_type} has the tasks \`${suites.join('`, `')}\`, found \`${suite}\``,
    env.env_type === 'libero' && suite !== 'tabletop'
      ? `the original has them: \`${path}.env_type=libero-python\``
      : `choose both together: \`env@${path}=${suites[0]}\``,
  );
}

function checkGroups({ env }: Config, conflict: Conflict): void {
  const { group_size: size, total_num_envs: count } = env.train;
  if (count % size === 0) return;
  conflict(
    'env.train.group_size',
    `${count} environments do not make groups of ${size}`,
    `type \`env.train.total_num_envs=${Math.ceil(count / size) * size}\``,
  );
}

function checkPolicy(config: Config, conflict: Conflict): void {
  const { model } = config.actor;
  for (const [twin, name] of TWINS) {
    const other = model.openpi[twin];
    if (other === undefined || other === model[name]) continue;
    conflict(
      `actor.model.openpi.${twin}`,
      `${other} is not actor.model.${name}, ${model[name]}`,
      `set \`actor.model.${name}\` alone and leave \`openpi.${twin}\` out`,
    );
  }
  const horizon = model.openpi.action_horizon;
  if (horizon !== undefined && horizon < model.num_action_chunks) {
    conflict(
      'actor.model.num_action_chunks',
      `${model.num_action_chunks} actions cannot be run of a sequence of ${horizon}`,
      `type \`actor.model.num_action_chunks=${horizon}\` or less`,
    );
  }
}

function checkEncoder(config: Config, conflict: Conflict): void {
  const { openpi } = config.actor.model;
  const {
    dsrl_image_size: size,
    dsrl_image_strides: strides,
    dsrl_image_kernels: kernels,
    dsrl_image_channels: channels,
  } = openpi;
  if (size === 0) return;
  if (strides.length !== kernels.length || strides.length !== channels.length) {
    conflict(
      'actor.model.openpi.dsrl_image_strides',
      `has ${strides.length} layers, dsrl_image_kernels ${kernels.length} and ` +
        `dsrl_image_channels ${channels.length}`,
      'give the three lists one number a layer',
    );
    return;
  }
  let side = size;
  for (const [layer, kernel] of kernels.entries()) {
    const padding = kernel === 3 ? 1 : 0;
    const next = Math.floor((side + 2 * padding - kernel) / (strides[layer] as number)) + 1;
    if (next < 1) {
      conflict(
        'actor.model.openpi.dsrl_image_kernels',
        `layer ${layer + 1} would put a kernel of ${kernel} on a side of ${side}`,
        'use a larger dsrl_image_size, smaller strides or fewer layers',
      );
      return;
    }
    side = next;
  }
}

function checkLearner(config: Config, conflict: Conflict): void {
  const { algorithm, actor, env } = config;
  const { adam_eps: eps } = actor.optim;
  if (actor.critic_optim.adam_eps !== eps) {
    conflict(
      'actor.critic_optim.adam_eps',
      `${actor.critic_optim.adam_eps} is not actor.optim.adam_eps, ${eps}: the learner has one`,
      `type \`actor.critic_optim.adam_eps=${eps}\``,
    );
  }
  const { alpha_type, initial_alpha } = algorithm.entropy_tuning;
  if (initial_alpha === 0 && alpha_type !== 'fixed_alpha') {
    conflict(
      'algorithm.entropy_tuning.initial_alpha',
      `a temperature of 0 cannot be learned by \`${alpha_type}\``,
      'make it positive, or type `algorithm.entropy_tuning.alpha_type=fixed_alpha`',
    );
  }
  const heads = actor.model.openpi.dsrl_num_q_heads;
  if (algorithm.critic_subsample_size > heads) {
    conflict(
      'algorithm.critic_subsample_size',
      `${algorithm.critic_subsample_size} heads cannot be drawn of ${heads}`,
      'type `algorithm.critic_subsample_size=-1` for all of them',
    );
  }
  const { min_buffer_size } = algorithm.replay_buffer;
  const rollout = transitionsPerRollout(config);
  const capacity = replayCapacity(config);
  const needed = min_buffer_size * rollout;
  if (needed > capacity) {
    const envs = env.train.total_num_envs;
    conflict(
      'algorithm.replay_buffer.min_buffer_size',
      `${min_buffer_size} rollouts x ${envs} environments x ${rollout / envs} chunks = ` +
        `${needed} transitions, but the replay holds ${capacity}`,
      'lower it, or raise `algorithm.replay_buffer.capacity` and `cache_size`',
    );
  }
}
