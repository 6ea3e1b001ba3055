import { PolicyError } from '../errors.js';
import type { Packable } from './decode.js';
import { NdArray } from './ndarray.js';
import { liberoKeys, type ObservationKeys, readObservation } from './openpi-keys.js';
import type { Service } from './server.js';

type Observation = ReturnType<typeof readObservation>;

/** A policy as the server needs it; `Policy` is one. */
export interface ServablePolicy {
  readonly metadata: {
    readonly name: string;
    readonly observation: {
      readonly images: Readonly<Record<string, unknown>>;
      readonly state: { readonly shape: readonly [number] };
      readonly keys?: ObservationKeys;
      /** Height and width of a picture that is bytes alone, which clients are told. */
      readonly imageSize?: number;
    };
    readonly actions: { readonly shape: readonly [number, number] };
    /** Actions of a chunk that are to run before the next request, which clients are told. */
    readonly steering?: { readonly chunk: number } | null;
  };
  /**
   * One chunk of actions for each observation, in their order; `anySize`: of pictures. Aborted when
   * no client is left.
   */
  inferBatch(
    observations: readonly Observation[],
    options: { anySize: true; signal?: AbortSignal },
  ): Promise<readonly { actions: Float32Array; shape: readonly number[] }[]>;
}

/**
 * Requests in, `actions` float32 [horizon, action_dim] out.
 *
 * @param keys of the requests; those of policy.json unless given, else openpi's for LIBERO
 */
export function policyService(
  policy: ServablePolicy,
  keys: ObservationKeys = policy.metadata.observation.keys ??
    liberoKeys(Object.keys(policy.metadata.observation.images)),
): Service<Observation> {
  const { name, observation, actions, steering } = policy.metadata;
  const [horizon, actionDim] = actions.shape;
  return {
    metadata: {
      name,
      action_horizon: horizon,
      ...(steering && { action_chunk: steering.chunk }),
      action_dim: actionDim,
      state_dim: observation.state.shape[0],
      ...(observation.imageSize !== undefined && { image_size: observation.imageSize }),
      keys: { images: keys.images, state: keys.state, prompt: keys.prompt },
    },
    read: (request) => readObservation(request, keys),
    async infer(observations, options) {
      const answers = await inferBySize(policy, observations, options);
      return answers.map(({ actions: values, shape }): Record<string, Packable> => {
        return { actions: new NdArray(values, shape) };
      });
    },
  };
}

/** One call for all whose pictures have the same sizes: rows of a batch are stacked. */
async function inferBySize(
  policy: ServablePolicy,
  observations: readonly Observation[],
  options?: { signal?: AbortSignal },
) {
  const groups = new Map<string, number[]>();
  for (const [row, { images }] of observations.entries()) {
    const size = Object.values(images).map(({ height, width }) => `${height}x${width}`);
    const key = size.join();
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  const answers: { actions: Float32Array; shape: readonly number[] }[] = [];
  for (const rows of groups.values()) {
    const group = rows.map((row) => observations[row] as Observation);
    const chunks = await policy.inferBatch(group, { ...options, anySize: true });
    rows.forEach((row, index) => {
      answers[row] = finite(chunks[index] as (typeof answers)[number]);
    });
  }
  return answers;
}

/** A policy of the caller's own may let such actions through; a robot must not get them. */
function finite<Chunk extends { actions: Float32Array }>(chunk: Chunk): Chunk {
  const strange = chunk.actions.findIndex((value) => !Number.isFinite(value));
  if (strange < 0) return chunk;
  throw new PolicyError(
    'ERR_DSRL_POLICY_NOT_FINITE',
    `actions[${strange}] of the policy is ${chunk.actions[strange]}`,
    { hint: 'check what its `inferBatch` returns' },
  );
}
