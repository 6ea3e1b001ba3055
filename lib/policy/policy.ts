import { PolicyError } from '../errors.js';
import { NativePolicy, type Runtime, type Tensor } from '../native/index.js';
import { readArtefact } from './artefact.js';
import type { PolicyContract } from './contract.js';
import { PromptTable } from './prompts.js';

/** What a policy asks of a configuration; the composed one has this shape. */
export interface PolicyNeeds {
  actor: {
    model: {
      action_dim: number;
      num_action_chunks: number;
      openpi: { dsrl_action_noise_dim: number; dsrl_state_dim: number };
    };
  };
}

export interface PolicyObservation {
  /** Camera -> uint8 [B, S, S, 3], RGB. */
  images: Readonly<Record<string, Tensor<'uint8'>>>;
  /** float32 [B, state_dim], raw proprioception. */
  state: Tensor<'float32'>;
  /** What each environment is told, [B]. */
  prompts: readonly string[];
}

/**
 * The frozen policy: observation and noise in, actions of a robot out. Its weights never change.
 * `sample` runs on the inference thread; several calls wait for one another there.
 */
export class FrozenPolicy {
  private readonly prompts: PromptTable;

  private constructor(
    private readonly native: NativePolicy,
    runtime: Runtime,
    /** policy.json as it was read. */
    readonly metadata: PolicyContract,
  ) {
    this.prompts = new PromptTable(runtime, metadata);
  }

  /**
   * Opens an exported policy.
   *
   * @param folder holds policy.json and policy.pt
   * @throws PolicyError ERR_DSRL_POLICY_MISSING, _DAMAGED, _HASH
   */
  static load(runtime: Runtime, folder: string): FrozenPolicy {
    const { contract, modelFile } = readArtefact(folder);
    const { normalization } = contract;
    const native = new NativePolicy(runtime, modelFile, {
      horizon: contract.horizon,
      noise_dim: contract.noise_dim,
      state_dim: contract.state_dim,
      action_dim: contract.action_dim,
      num_steps: contract.num_steps,
      num_cameras: contract.cameras.length,
      image_size: contract.image_size,
      prompt_length: contract.prompt_length,
      image_resize: contract.image_resize,
      time_convention: contract.time_convention,
      normalization_mode: normalization.mode,
      normalization_eps: normalization.eps,
      state_mean: normalization.state.mean,
      state_std: normalization.state.std,
      action_mean: normalization.actions.mean,
      action_std: normalization.actions.std,
      delta_action_mask: (contract.delta_action_mask ?? []).map(Number),
    });
    return new FrozenPolicy(native, runtime, contract);
  }

  get parameterCount(): number {
    return this.native.parameterCount;
  }

  /**
   * Checks that a configuration can be trained with this policy.
   *
   * @throws PolicyError ERR_DSRL_POLICY_CONTRACT that names every difference
   */
  checkFits(config: PolicyNeeds): void {
    const { metadata } = this;
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
    const { dsrl_action_noise_dim, dsrl_state_dim } = model.openpi;
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

  /**
   * The policy's actions for given noise: `num_steps` Euler steps of the flow, un-normalised.
   *
   * @param noise float32 [B, noise_dim], used for all of the horizon, or [B, H, noise_dim]
   * @returns float32 [B, H, action_dim]
   * @throws PolicyError ERR_DSRL_POLICY_CONTRACT where the observation is not what it was made for
   */
  async sample(
    observation: PolicyObservation,
    noise: Tensor<'float32'>,
    numSteps: number = this.metadata.num_steps,
  ): Promise<Tensor<'float32'>> {
    const images = this.metadata.cameras.map((camera) => this.imageOf(observation, camera));
    const { tokens, tokenMask } = this.prompts.tokensOf(observation.prompts);
    const { state } = observation;
    return this.native.sample({ images, state, tokens, tokenMask }, noise, numSteps);
  }

  /** See NativePolicy.sampleFile. */
  sampleFile(inputs: string, out: string, numSteps = 0, signal?: AbortSignal): Promise<void> {
    return this.native.sampleFile(inputs, out, numSteps, signal);
  }

  private imageOf({ images }: PolicyObservation, camera: string): Tensor<'uint8'> {
    const { name, image_size } = this.metadata;
    const image = images[camera];
    if (image === undefined) {
      throw this.mismatch(
        `the policy ${name} needs the camera \`${camera}\`, ` +
          `the environment has ${Object.keys(images).join(', ')}`,
      );
    }
    const [, height, width] = image.shape;
    if (height !== image_size || width !== image_size) {
      throw this.mismatch(
        `the policy ${name} takes pictures of ${image_size} x ${image_size}, ` +
          `the environment's camera \`${camera}\` gives ${height} x ${width}`,
      );
    }
    return image;
  }

  private mismatch(message: string): PolicyError {
    return new PolicyError('ERR_DSRL_POLICY_CONTRACT', message, {
      hint: 'export the policy for this environment, or name another with actor.model.model_path',
    });
  }
}
