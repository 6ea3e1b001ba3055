import { totalmem } from 'node:os';
import { replayBytes, replayCapacity } from './derived.js';
import { Problems } from './problems.js';
import type { Config } from './schema/root.js';

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
  refusePictures(config, refuse);
  if (config.actor.compute === 'bf16') {
    refuse('actor.compute: bf16 does not exist in this version yet', 'type `actor.compute=fp32`');
  }
  refuseReplay(config, memory, refuse);
  problems.throwIfAny('this configuration cannot be trained', null);
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

/** LIBERO's backend draws squares. */
function refusePictures({ env }: Config, refuse: Refuse): void {
  for (const role of ['train', 'eval'] as const) {
    const { camera_heights, camera_widths } = env[role].init_params;
    if (env[role].env_type === 'tabletop' || camera_heights === camera_widths) continue;
    const key = `env.${role}.init_params`;
    refuse(
      `${key}: pictures of ${camera_heights} x ${camera_widths} are not square`,
      `type \`${key}.camera_widths=${camera_heights}\``,
    );
  }
}

/**
 * All of the memory, not half of it: what a replay takes at most is twice what it takes where
 * episodes are longer than a few chunks. Of a GPU's memory nothing is known before torch is loaded.
 */
function refuseReplay(config: Config, memory: number, refuse: Refuse): void {
  if (config.algorithm.replay_buffer.device !== 'cpu') return;
  const bytes = replayBytes(config);
  if (bytes <= memory) return;
  const capacity = replayCapacity(config);
  const gigabytes = (value: number) => `${(value / 1e9).toFixed(1)} GB`;
  const fitting = Math.floor((capacity * memory) / bytes);
  refuse(
    `the replay needs at most ${capacity} transitions x ${Math.round(bytes / capacity)} bytes = ` +
      `${gigabytes(bytes)}, more than this machine's ${gigabytes(memory)}`,
    `type \`algorithm.replay_buffer.capacity=${fitting}\` or less`,
  );
}
