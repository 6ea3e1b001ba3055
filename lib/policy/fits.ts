import { PolicyError } from '../errors.js';
import type { PolicyContract } from './contract.js';

/** What a policy asks of a configuration; the composed one has this shape. */
export interface PolicyNeeds {
  actor: {
    model: {
      action_dim: number;
      num_action_chunks: number;
      openpi: {
        action_horizon?: number | undefined;
        dsrl_action_noise_dim: number;
        dsrl_state_dim: number;
      };
    };
  };
}

/**
 * Checks that a configuration can be trained with the policy of a policy.json; its weights, which
 * take long to read, need not be there yet.
 *
 * @throws PolicyError ERR_DSRL_POLICY_CONTRACT that names every difference
 */
export function refuseUnfit(metadata: PolicyContract, config: PolicyNeeds): void {
  const { model } = config.actor;
  const differences: string[] = [];
  const differ = (key: string, value: number, relation: string, own: number) =>
    differences.push(`${key} is ${value}, ${relation} ${own}`);
  if (model.action_dim !== metadata.action_dim) {
    differ('actor.model.action_dim', model.action_dim, 'its action_dim', metadata.action_dim);
  }
  if (model.num_action_chunks > metadata.horizon) {
    const key = 'actor.model.num_action_chunks';
    differ(key, model.num_action_chunks, 'more than its horizon', metadata.horizon);
  }
  const { action_horizon, dsrl_action_noise_dim, dsrl_state_dim } = model.openpi;
  if (action_horizon !== undefined && action_horizon !== metadata.horizon) {
    const key = 'actor.model.openpi.action_horizon';
    differ(key, action_horizon, 'its horizon', metadata.horizon);
  }
  if (dsrl_action_noise_dim !== metadata.noise_dim) {
    const key = 'actor.model.openpi.dsrl_action_noise_dim';
    differ(key, dsrl_action_noise_dim, 'its noise_dim', metadata.noise_dim);
  }
  if (dsrl_state_dim !== metadata.state_dim) {
    const key = 'actor.model.openpi.dsrl_state_dim';
    differ(key, dsrl_state_dim, 'its state_dim', metadata.state_dim);
  }
  if (differences.length === 0) return;
  throw new PolicyError(
    'ERR_DSRL_POLICY_CONTRACT',
    `the policy ${metadata.name} does not fit: ${differences.join('; ')}`,
    { hint: 'change those keys, or name another policy with `actor.model.model_path=...`' },
  );
}
