/**
 * Defaults that follow from other keys, and the keys of older files that have moved since. Done on
 * the tree, before the schema reads it, so that a wrong value still points at where it was written.
 */
import { catalogue } from './catalogue.js';
import type { Problems } from './problems.js';
import { TWINS } from './schema/actor.js';
import {
  MOST_TASKS,
  SUITES,
  TABLETOP_HORIZON,
  TASKS,
  TRIALS_PER_TASK,
} from './schema/environment.js';
import {
  COMPUTED,
  clone,
  lookup,
  lookupEntry,
  type MapNode,
  place,
  type Scalar,
  scalar,
  type TreeNode,
} from './tree.js';

/** Keys that are absent only where the key that they follow is, about which enough is said. */
export const FOLLOWING: readonly string[] = [
  'env.eval.env_type',
  'env.eval.total_num_envs',
  'rollout.model.model_path',
];

export function fillDependentDefaults(root: MapNode, name: string, problems: Problems): void {
  dropEmptyBlocks(root);
  moveRolloutEpoch(root, problems);

  const seed = value(root, 'seed');
  if (seed === undefined || seed === null) copy(root, 'actor.seed', 'seed', scalar(1234, COMPUTED));
  copy(root, 'seed', 'actor.seed');

  fallBack(root, 'runner.logger.experiment_name', name);
  for (const [twin, name] of TWINS) {
    copyIfAbsent(root, `actor.model.openpi.${twin}`, `actor.model.${name}`);
  }

  copyIfAbsent(root, 'algorithm.agg_q', 'algorithm.actor_agg_q', 'min');
  fallBack(root, 'algorithm.entropy_tuning.target_entropy', -actionDim(root));

  copyIfAbsent(root, 'env.train.env_type', 'env.eval.env_type');
  for (const role of ['env.train', 'env.eval']) fillEnvironment(root, role);

  if (value(root, 'env.train.env_type') === 'tabletop') {
    fallBack(root, 'actor.model.model_path', 'tabletop');
  }
  copyIfAbsent(root, 'actor.model.model_path', 'rollout.model.model_path');
}

function fillEnvironment(root: MapNode, role: string): void {
  const type = value(root, `${role}.env_type`);
  if (value(root, `${role}.trials`) === null) remove(root, `${role}.trials`);
  const end = type === 'tabletop' ? 25 : TRIALS_PER_TASK;
  if (lookup(root, [...role.split('.'), 'trials']) === undefined) {
    const items = [0, end].map((trial) => scalar(trial, COMPUTED));
    set(root, `${role}.trials`, { kind: 'list', items, origin: COMPUTED });
  }
  const suite = `${role}.task_suite_name`;
  if (type === 'tabletop') {
    for (const key of ['max_episode_steps', 'max_steps_per_rollout_epoch']) {
      fallBack(root, `${role}.${key}`, TABLETOP_HORIZON);
    }
  }
  if (isType(type)) fallBack(root, suite, SUITES[type][0]);
  const envs = 'env.eval.total_num_envs';
  if (role === 'env.eval' && (value(root, envs) ?? null) === null && isType(type)) {
    set(root, envs, scalar((TASKS[type] ?? MOST_TASKS) * trialCount(root), COMPUTED));
  }
}

function isType(type: unknown): type is keyof typeof TASKS {
  return typeof type === 'string' && type in TASKS;
}

function trialCount(root: MapNode): number {
  const node = lookup(root, ['env', 'eval', 'trials']);
  const [first, end] = node?.kind === 'list' ? node.items : [];
  const bound = (item: TreeNode | undefined) => (item?.kind === 'scalar' ? Number(item.value) : 0);
  // A range that makes no sense is reported by the schema; here it only must not do harm.
  return Math.max(1, Math.trunc(bound(end) - bound(first)) || 1);
}

function actionDim(root: MapNode): number {
  const given = Number(value(root, 'actor.model.action_dim') ?? 7);
  return Number.isFinite(given) ? given : 7;
}

/** `logger:` with nothing behind it is an empty block. */
function dropEmptyBlocks(root: MapNode): void {
  for (const { path, fate } of catalogue().values()) {
    if (fate === 'block' && value(root, path) === null) remove(root, path);
  }
}

/** Files of February 2026 say `algorithm.rollout_epoch`. */
function moveRolloutEpoch(root: MapNode, problems: Problems): void {
  const older = lookup(root, ['algorithm', 'rollout_epoch']);
  if (older === undefined) return;
  const newer = lookup(root, ['env', 'train', 'rollout_epoch']);
  if (newer === undefined) set(root, 'env.train.rollout_epoch', older);
  else if (newer.kind !== 'scalar' || older.kind !== 'scalar' || newer.value !== older.value) {
    problems.add(
      'ERR_DSRL_CONFIG_CONFLICT',
      `${older.origin.where}: algorithm.rollout_epoch and env.train.rollout_epoch differ`,
      'keep `env.train.rollout_epoch` alone: type `~algorithm.rollout_epoch`',
    );
  }
  remove(root, 'algorithm.rollout_epoch');
}

/** The scalar at a path; undefined if there is none, or a block. */
function value(root: MapNode, path: string): Scalar | undefined {
  const node = lookup(root, path.split('.'));
  return node?.kind === 'scalar' ? node.value : undefined;
}

function set(root: MapNode, path: string, node: TreeNode): void {
  place(root, path.split('.'), { key: node.origin, node });
}

function fallBack(root: MapNode, path: string, fallback: Scalar): void {
  if (lookup(root, path.split('.')) === undefined) set(root, path, scalar(fallback, COMPUTED));
}

function copy(root: MapNode, from: string, to: string, fallback?: TreeNode): void {
  const node = lookup(root, from.split('.')) ?? fallback;
  if (node === undefined) return;
  // Where the original is wrong it is reported; the copy would say the same again.
  const twin = clone(node);
  set(root, to, { ...twin, origin: { ...twin.origin, copied: true } });
}

function copyIfAbsent(root: MapNode, from: string, to: string, fallback?: Scalar): void {
  if (lookup(root, to.split('.')) !== undefined) return;
  copy(root, from, to, fallback === undefined ? undefined : scalar(fallback, COMPUTED));
}

function remove(root: MapNode, path: string): void {
  const words = path.split('.');
  const last = words.at(-1) as string;
  if (lookupEntry(root, words) === undefined) return;
  const parent = lookup(root, words.slice(0, -1));
  if (parent?.kind === 'map') parent.entries.delete(last);
}
