import type { PolicyContract } from './contract.js';
import type { SteeringFile } from './steering.js';

/**
 * What goes into a policy and what comes out, for a program that prepares the one for the other.
 */
export interface PolicyMetadata {
  readonly name: string;
  readonly observation: {
    /** Camera -> its pictures. `null`: any size; the policy makes it fit. */
    readonly images: Readonly<
      Record<string, { dtype: 'uint8'; shape: readonly [number | null, number | null, 3] }>
    >;
    /** Height and width of a picture that is given as bytes alone. */
    readonly imageSize: number;
    readonly state: { readonly dtype: 'float32'; readonly shape: readonly [number] };
    /** Tokens of a prompt that are looked at, and the prompts that need no tokenizer. */
    readonly prompt: { readonly maxTokens: number; readonly known: readonly string[] };
    /** What `serve` reads them from, where policy.json says it. */
    readonly keys?: NonNullable<PolicyContract['observation_keys']>;
  };
  /** A chunk: the horizon, and the numbers of a robot action. */
  readonly actions: { readonly dtype: 'float32'; readonly shape: readonly [number, number] };
  /** The initial noise of the flow. */
  readonly noise: { readonly dtype: 'float32'; readonly shape: readonly [number, number] };
  /** Euler steps of the flow unless a call says otherwise; of a steered policy the training's. */
  readonly numSteps: number;
  /** What a run's or checkpoint's agent was trained on; null: a frozen policy alone. */
  readonly steering: {
    /** Actions of a chunk, the first ones, that run before the agent chooses anew. */
    readonly chunk: number;
    /** Euler steps of the flow. */
    readonly numSteps: number;
    /** Updates that the agent has behind it. */
    readonly version: number;
  } | null;
  /** Statistics that the state is normalised with, and the actions un-normalised. */
  readonly normalization: PolicyContract['normalization'];
  /** Which numbers of an action are offsets that the policy adds to the raw state; null: none. */
  readonly deltaActions: readonly boolean[] | null;
  readonly precision: PolicyContract['precision'];
}

export function metadataOf(contract: PolicyContract, agent: SteeringFile | null): PolicyMetadata {
  const { cameras, image_resize, image_size, horizon } = contract;
  const numSteps = agent?.num_steps ?? contract.num_steps;
  const side = image_resize === 'none' ? image_size : null;
  const picture = { dtype: 'uint8', shape: [side, side, 3] } as const;
  return {
    name: contract.name,
    observation: {
      images: Object.fromEntries(cameras.map((camera) => [camera, picture])),
      imageSize: image_size,
      state: { dtype: 'float32', shape: [contract.state_dim] },
      prompt: { maxTokens: contract.prompt_length, known: Object.keys(contract.prompts) },
      ...(contract.observation_keys && { keys: contract.observation_keys }),
    },
    actions: { dtype: 'float32', shape: [horizon, contract.action_dim] },
    noise: { dtype: 'float32', shape: [horizon, contract.noise_dim] },
    numSteps,
    steering: agent && { chunk: agent.chunk, numSteps, version: agent.version },
    normalization: contract.normalization,
    deltaActions: contract.delta_action_mask,
    precision: contract.precision,
  };
}
