import type { RawPolicySpec } from '../native/index.js';
import type { PolicyContract } from './contract.js';

/** policy.json as the runner in C++ takes it (native/core/flow). */
export function nativeSpec(contract: PolicyContract): RawPolicySpec {
  const { normalization, delta_action_mask } = contract;
  return {
    horizon: contract.horizon,
    noise_dim: contract.noise_dim,
    state_dim: contract.state_dim,
    action_dim: contract.action_dim,
    num_steps: contract.num_steps,
    num_cameras: contract.cameras.length,
    image_size: contract.image_size,
    prompt_length: contract.prompt_length,
    largest_token: Object.values(contract.prompts)
      .flat()
      .reduce((largest, token) => Math.max(largest, token), 0),
    precision: contract.precision,
    // Pictures of the policy's own size are left alone by that; others come where a call asks so.
    image_resize: contract.image_resize === 'none' ? 'openpi' : contract.image_resize,
    time_convention: contract.time_convention,
    normalization_mode: normalization.mode,
    normalization_eps: normalization.eps,
    ...statistics(normalization),
    delta_action_mask: (delta_action_mask ?? []).map(Number),
  };
}

function statistics(normalization: PolicyContract['normalization']): Partial<RawPolicySpec> {
  if (normalization.mode === 'mean_std') {
    const { state, actions } = normalization;
    return {
      state_mean: state.mean,
      state_std: state.std,
      action_mean: actions.mean,
      action_std: actions.std,
    };
  }
  const { state, actions } = normalization;
  return {
    state_low: state.q01,
    state_high: state.q99,
    action_low: actions.q01,
    action_high: actions.q99,
  };
}
