/** What a user should know although nothing is wrong. */
import { catalogue } from './catalogue.js';
import { replayCapacity, resetCount, transitionsPerRollout } from './derived.js';
import { TRIALS_PER_TASK } from './schema/environment.js';
import type { Config } from './schema/root.js';
import { lookup, type MapNode, type TreeNode, toPlain } from './tree.js';

export function noticesOf(config: Config, root: MapNode): string[] {
  return [
    inertKeys(root),
    oneReset(config),
    evaluationEpisodes(config, root),
    replayCap(config),
    twoPolicies(config),
    missingBackends(config),
  ].filter((notice) => notice !== undefined);
}

/** Keys without effect that the user wrote, those of a block together. */
function inertKeys(root: MapNode): string | undefined {
  const blocks = new Map<string, string[]>();
  for (const { path, fate, open, fallback } of catalogue().values()) {
    const node = fate === 'inert' ? lookup(root, path.split('.')) : undefined;
    if (node === undefined || !isUsers(node)) continue;
    if (catalogue().get(path.slice(0, Math.max(0, path.lastIndexOf('.'))))?.open) continue;
    if (fallback !== undefined && toPlain(node) === fallback) continue;
    const dot = path.lastIndexOf('.');
    const parent = path.slice(0, Math.max(0, dot));
    const name = path.slice(dot + 1) + (open ? '.*' : '');
    blocks.set(parent, [...(blocks.get(parent) ?? []), name]);
  }
  if (blocks.size === 0) return undefined;
  const parts = [...blocks].map(([parent, names]) => {
    if (parent === '') return names.join(', ');
    return names.length === 1 ? `${parent}.${names[0]}` : `${parent}.{${names.join(', ')}}`;
  });
  return `these keys have no effect here: ${parts.join(', ')}`;
}

/** True if any of it was written by the user: a group of ours may stand around it. */
function isUsers(node: TreeNode): boolean {
  if (node.kind === 'map') return [...node.entries.values()].some(({ node }) => isUsers(node));
  return !node.origin.packaged;
}

function oneReset(config: Config): string | undefined {
  const roles = (['train', 'eval'] as const).filter((role) => {
    return config.env[role].specific_reset_id !== null;
  });
  if (roles.length === 0) return undefined;
  const parts = roles.map((role) => {
    const id = config.env[role].specific_reset_id as number;
    const verb = role === 'train' ? 'training' : 'evaluation';
    const task = Math.floor(id / TRIALS_PER_TASK);
    return `${verb} runs reset id ${id} alone (task ${task}, trial ${id % TRIALS_PER_TASK})`;
  });
  const keys = roles.map((role) => `env.${role}.specific_reset_id=null`).join(' ');
  return `${parts.join('; ')}; for every task and trial type ${keys}`;
}

function evaluationEpisodes({ env }: Config, root: MapNode): string | undefined {
  if (env.eval.specific_reset_id !== null) return undefined;
  const asked = env.eval.total_num_envs;
  const there = resetCount(env.eval);
  const written = lookup(root, ['env', 'eval', 'total_num_envs'])?.origin.packaged === false;
  if (there === null || asked === there) return undefined;
  if (asked < there) {
    if (written) return undefined;
    return (
      `of ${there} different (task, trial) an evaluation runs ${asked}, those of the first trials; ` +
      `for all type env.eval.total_num_envs=${there}`
    );
  }
  if (!written) return undefined;
  return (
    `env.eval.total_num_envs asks for ${asked} episodes; there are ${there} different ` +
    `(task, trial) and each runs once, so an evaluation has ${there}`
  );
}

function replayCap(config: Config): string | undefined {
  const { cache_size, sample_window_size, capacity } = config.algorithm.replay_buffer;
  const envs = config.env.train.total_num_envs;
  const rollout = transitionsPerRollout(config);
  if (cache_size * rollout <= capacity) return undefined;
  const total = (cache_size * rollout).toLocaleString('en-US');
  const window = sample_window_size * rollout > capacity ? ' and sample_window_size' : '';
  return (
    `algorithm.replay_buffer.cache_size${window}: ${cache_size} rollouts x ` +
    `${envs} environments x ${rollout / envs} chunks = ${total} transitions; the replay holds ` +
    `${replayCapacity(config).toLocaleString('en-US')} (algorithm.replay_buffer.capacity)`
  );
}

function twoPolicies({ actor, rollout }: Config): string | undefined {
  if (actor.model.model_path === rollout.model.model_path) return undefined;
  return (
    `rollout.model.model_path (${rollout.model.model_path}) is not used; the frozen policy is ` +
    `actor.model.model_path (${actor.model.model_path})`
  );
}

function missingBackends({ runner }: Config): string | undefined {
  const missing = runner.logger.logger_backends.filter((name) => name !== 'tensorboard');
  if (missing.length === 0) return undefined;
  return (
    `runner.logger.logger_backends: there is no ${missing.join(' or ')} here; every run writes ` +
    'metrics.jsonl, and TensorBoard events with `tensorboard`'
  );
}
