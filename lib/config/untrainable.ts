import { totalmem } from 'node:os';
import { replayBytes, replayCapacity } from './derived.js';
import { Problems } from './problems.js';
import type { EnvironmentType } from './schema/environment.js';
import type { Config } from './schema/root.js';

/** The environments that this version can step. */
const AVAILABLE: readonly EnvironmentType[] = ['tabletop'];

/**
 * Refuses what is a right configuration and cannot be trained or evaluated by this version, or not
 * on this machine. `config validate` does not ask; `train` and `eval` do, before anything is made.
 *
 * @param memory bytes of the machine's memory
 * @throws ConfigError ERR_DSRL_CONFIG_UNTRAINABLE that names everything in the way
 */
export function refuseUntrainable(config: Config, memory: number = totalmem()): void {
  const problems = new Problems();
  const refuse = (message: string, hint: string) => {
    problems.add('ERR_DSRL_CONFIG_UNTRAINABLE', message, hint);
  };
  refusePolicy(config, refuse);
  const types = new Set([config.env.train.env_type, config.env.eval.env_type]);
  for (const type of types) {
    if (AVAILABLE.includes(type)) continue;
    refuse(
      `the environment \`${type}\` does not exist in this version yet`,
      `there is ${AVAILABLE.join(', ')}: \`dsrl-native train tabletop\``,
    );
  }
  if (config.actor.compute === 'bf16') {
    refuse('actor.compute: bf16 does not exist in this version yet', 'type `actor.compute=fp32`');
  }
  refuseReplay(config, memory, refuse);
  problems.throwIfAny('this configuration cannot be trained');
}

type Refuse = (message: string, hint: string) => void;

function refusePolicy({ actor }: Config, refuse: Refuse): void {
  const { model_path, model_type, openpi } = actor.model;
  const { config_name, task } = openpi;
  const name = config_name ?? '';
  if (/pi0?5|pi0_5/.test(name)) {
    refuse(
      `actor.model.openpi.config_name: ${name} is a pi0.5 policy, which does not exist here yet`,
      'use a pi0 policy: `model/pi0@actor.model` in the defaults list, `config_name: pi0_libero`',
    );
  } else if (name !== '' && name !== 'pi0_libero') {
    refuse(
      `actor.model.openpi.config_name: there is no policy configuration \`${name}\` here`,
      'use `pi0_libero`, or leave it out: the policy folder says what it is',
    );
  }
  if (task !== undefined && task !== 'rl') {
    refuse(
      `actor.model.openpi.task: \`${task}\` is not a policy that DSRL can steer`,
      'use `rl`, or leave it out',
    );
  }
  if (model_type !== 'openpi' && task === undefined) {
    refuse(
      `actor.model.model_type: ${model_type} without actor.model.openpi.task`,
      'use `openpi`, or name the task',
    );
  }
  if (model_path.startsWith('/path/to/')) {
    refuse(
      `actor.model.model_path: ${model_path} is the placeholder of the published file`,
      'type `actor.model.model_path=<folder of the exported policy>`',
    );
  }
}

function refuseReplay(config: Config, memory: number, refuse: Refuse): void {
  if (config.algorithm.replay_buffer.device !== 'cpu') return;
  const bytes = replayBytes(config);
  if (bytes <= memory / 2) return;
  const capacity = replayCapacity(config);
  const gigabytes = (value: number) => `${(value / 1e9).toFixed(1)} GB`;
  const fitting = Math.floor((capacity * memory) / 2 / bytes);
  refuse(
    `the replay needs ${capacity} transitions x ${Math.round(bytes / capacity)} bytes = ` +
      `${gigabytes(bytes)}, more than half of this machine's ${gigabytes(memory)}`,
    `type \`algorithm.replay_buffer.capacity=${fitting}\` or less`,
  );
}
