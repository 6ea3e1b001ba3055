import { catalogue } from './catalogue.js';
import type { Config } from './schema/root.js';

/** A key whose value differs between two configurations; undefined where it is absent. */
export interface Difference {
  key: string;
  values: [unknown, unknown];
}

/** Keys that only say again what another key, or the policy's folder, decides. */
const SAID_ELSEWHERE: readonly string[] = [
  'actor.seed',
  'actor.model.openpi.num_steps',
  'actor.model.openpi.action_chunk',
  'actor.model.openpi.action_env_dim',
  'actor.model.openpi.action_horizon',
  'actor.model.openpi.config_name',
  'actor.model.openpi.task',
  'actor.model.model_type',
  'actor.model.precision',
  'algorithm.rollout_epoch',
  'env.train.task_suite_name',
  'env.eval.task_suite_name',
  'rollout.model.model_path',
];

/** The keys with an effect in which two composed configurations differ, in the schema's order. */
export function differences(a: Config, b: Config): Difference[] {
  return [...catalogue().values()]
    .filter(({ fate, path }) => fate !== 'block' && fate !== 'inert' && !repeats(path))
    .map(({ path }): Difference => ({ key: path, values: [valueAt(a, path), valueAt(b, path)] }))
    .filter(({ values: [one, other] }) => JSON.stringify(one) !== JSON.stringify(other));
}

function repeats(path: string): boolean {
  return SAID_ELSEWHERE.includes(path);
}

function valueAt(config: Config, path: string): unknown {
  let value: unknown = config;
  for (const name of path.split('.'))
    value = (value as Record<string, unknown> | undefined)?.[name];
  return value;
}
