import { join } from 'node:path';
import { type Config, composeConfig, type Difference, differences } from '../config/index.js';
import { CheckpointError } from '../errors.js';
import type { PolicyContract } from '../policy/index.js';
import { type CheckpointState, readCheckpointState } from './checkpoint-state.js';

/**
 * Keys that a resumed run may change: how long it goes on, what it writes and tells on the way,
 * where it computes, how it is evaluated, and how large its steps are. A name that ends in a dot
 * stands for all below it. Every other key with an effect has to be what the checkpoint has: it
 * changes the shapes of what is loaded, the environments, or what is learned.
 */
const FREE: readonly string[] = [
  'runner.',
  'checkpoint.',
  'device',
  'env.eval.',
  'env.train.gl',
  'env.train.video_cfg.',
  'actor.model.model_path', // the policy's hash is compared instead
  'actor.micro_batch_size',
  'actor.optim.lr',
  'actor.optim.clip_grad',
  'actor.critic_optim.lr',
  'actor.critic_optim.clip_grad',
  'algorithm.entropy_tuning.optim.lr',
  'algorithm.entropy_tuning.optim.clip_grad',
  'algorithm.replay_buffer.device',
];

/** Told by the command itself. */
const SILENT: readonly string[] = ['runner.resume_dir', 'runner.only_eval'];

/** The configuration that a checkpoint was made with, overrides applied on top. */
export function checkpointConfig(checkpoint: string, overrides: readonly string[] = []): Config {
  const { config } = readCheckpointState(checkpoint);
  // Without its notices: they were told when the run was new.
  const name = join(checkpoint, 'state.json');
  return composeConfig({ text: { name, yaml: config }, overrides }).config;
}

/**
 * Compares a configuration with the one of the checkpoint that a run is to go on from.
 *
 * @returns a line for every difference that is allowed
 * @throws CheckpointError ERR_DSRL_CHECKPOINT_MISMATCH that names every key that has to stay
 */
export function compareWithCheckpoint(config: Config, checkpoint: string): string[] {
  const found = differences(config, checkpointConfig(checkpoint));
  const isFree = ({ key }: Difference) => FREE.some((free) => matches(key, free));
  const fixed = found.filter((difference) => !isFree(difference));
  if (fixed.length > 0) {
    const is = ({ key, values: [now, before] }: Difference) =>
      `${key} is ${show(now)}, there ${show(before)}`;
    const typed = fixed.map(({ key, values }) =>
      values[1] === undefined ? `~${key}` : `${key}=${show(values[1])}`,
    );
    throw new CheckpointError(
      'ERR_DSRL_CHECKPOINT_MISMATCH',
      `the configuration is not that of ${checkpoint}: ${fixed.map(is).join('; ')}`,
      {
        hint:
          `type \`${typed.join(' ')}\`, or leave recipe and keys out to go on as the run began; ` +
          'other values need a new run',
      },
    );
  }
  return found
    .filter(({ key }) => !SILENT.includes(key))
    .map(({ key, values }) => `${key} is ${show(values[0])} now, it was ${show(values[1])}`);
}

/** An agent learns the noise of one policy: with another its figures would mean nothing. */
export function refuseOtherPolicy(
  checkpoint: string,
  { policy }: CheckpointState,
  { name, sha256 }: Pick<PolicyContract, 'name' | 'sha256'>,
): void {
  if (policy.sha256 === sha256['policy.pt']) return;
  throw new CheckpointError(
    'ERR_DSRL_CHECKPOINT_MISMATCH',
    `the checkpoint ${checkpoint} was made with the policy ${policy.name}, whose ` +
      `policy.pt has sha256 ${policy.sha256}; that of ${name} is ${sha256['policy.pt']}`,
    { hint: 'type `actor.model.model_path=<folder of that policy>`, or begin a new run' },
  );
}

function matches(key: string, free: string): boolean {
  return free.endsWith('.') ? key.startsWith(free) : key === free;
}

function show(value: unknown): string {
  if (typeof value === 'string') return value;
  return JSON.stringify(value) ?? 'absent';
}
