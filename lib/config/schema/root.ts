import * as z from 'zod';
import { actor, rollout } from './actor.js';
import { algorithm } from './algorithm.js';
import { environments } from './environment.js';
import { block, described, honoured, inertBlock, whole } from './fields.js';
import { runner } from './runner.js';

/** Within a text, where `z.int` would take `-1` and `1e2` too. */
const wholeNumber = z.string().regex(/^\d+$/);

const device = described(
  z.union([z.enum(['auto', 'cpu', 'cuda']), z.templateLiteral(['cuda:', wholeNumber])]),
  'one of auto, cpu, cuda, cuda:N',
);

/**
 * The whole configuration: RLinf's tree of keys, and our own beside them (`seed`, `device`,
 * `checkpoint`, `actor.compute`, `dsrl_image_*`, `chunk_reward`, `capacity`, ...). A new key is one
 * line in its block.
 */
export const schema = z.strictObject({
  seed: honoured(
    whole(0),
    'the one seed of a run; given, it replaces `actor.seed`',
    '`actor.seed`',
  ),
  device: honoured(device.default('auto'), 'where the policy and the learner run'),
  checkpoint: block({
    keep: honoured(whole(1).default(3), 'complete checkpoints that are kept'),
  }),
  runner,
  algorithm,
  env: environments,
  rollout,
  actor,
  reward: inertBlock('for reward models', ['use_reward_model']),
  critic: inertBlock('for policy-gradient training', ['use_critic_model']),
  cluster: inertBlock('for Ray', ['num_nodes', 'component_placement']),
  weight_syncer: inertBlock('for Ray', ['type', 'patch', 'bucket']),
});

/** A composed, checked configuration with every default filled in. */
export type Config = z.output<typeof schema>;
export type EnvironmentConfig = Config['env']['train'];
