import type { Config } from '../../lib/config/index.js';
import { type Runtime, Tensor } from '../../lib/native/index.js';
import type { SamplingPolicy } from '../../lib/train/environments.js';

/** A frozen policy that does nothing, whatever it sees and is told. */
export function stillPolicy(runtime: Runtime, { actor }: Config): SamplingPolicy {
  const horizon = actor.model.num_action_chunks;
  return {
    metadata: { cameras: ['main', 'wrist'], horizon, noise_dim: 7 },
    async sample({ state }: { state: Tensor<'float32'> }) {
      const envs = state.shape[0] ?? 0;
      const still = new Float32Array(envs * horizon * 7);
      return Tensor.from<'float32'>(runtime, still, [envs, horizon, 7]);
    },
  } as unknown as SamplingPolicy;
}
