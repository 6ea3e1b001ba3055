import type {
  RawCancellation,
  RawFrozenPolicy,
  RawPolicyInputs,
  RawPolicySpec,
} from './binding.js';
import { translate, translateAsync } from './errors.js';
import type { Runtime } from './runtime.js';
import { Tensor } from './tensor.js';

/**
 * What a frozen policy is given, a row an observation. Tokens and masks are best left on the host:
 * the runner looks there which cameras and which ends of prompts it can leave out.
 */
export interface PolicyInputs {
  /**
   * A tensor a camera, in the order of policy.json: uint8 [B, H, W, 3]. H and W are its
   * `image_size`, or, where its `image_resize` is not "none", any, and each camera's own.
   */
  images: readonly Tensor[];
  /** float32 [B, state_dim], raw. */
  state: Tensor;
  /** int64 [B, L] and bool [B, L]. */
  tokens: Tensor;
  tokenMask: Tensor;
  /** bool [B, N], false where a camera is not to be seen; without it all are. */
  imageMasks?: Tensor<'bool'>;
}

/** The native half of a frozen policy; lib/policy reads policy.json and checks the hash. */
export class NativePolicy {
  readonly #runtime: Runtime;
  readonly #raw: RawFrozenPolicy;

  private constructor(runtime: Runtime, raw: RawFrozenPolicy) {
    this.#runtime = runtime;
    this.#raw = raw;
  }

  /** Reads a policy.pt whose hash has been checked: TorchScript is a program. */
  static load(runtime: Runtime, file: string, spec: RawPolicySpec): NativePolicy {
    const { binding, device } = runtime;
    return new NativePolicy(
      runtime,
      translate(() => binding.FrozenPolicy.load(file, spec, device, true)),
    );
  }

  /** As `load`, on the inference thread: the event loop goes on. */
  static async open(runtime: Runtime, file: string, spec: RawPolicySpec): Promise<NativePolicy> {
    const { binding, device } = runtime;
    return new NativePolicy(
      runtime,
      await translateAsync(() => binding.FrozenPolicy.load(file, spec, device)),
    );
  }

  /**
   * Actions [B * M, H, action_dim], un-normalised, for noise [B * M, 32] (tiled over H) or
   * [B * M, H, 32]: M noises for each observation, those of one observation adjacent. M noises cost
   * one prefix.
   *
   * @param numSteps Euler steps; 0: those of policy.json
   * @param signal stops the sample between two Euler steps; the promise rejects with its reason
   */
  sample(
    inputs: PolicyInputs,
    noise: Tensor,
    numSteps = 0,
    signal?: AbortSignal,
  ): Promise<Tensor<'float32'>> {
    return this.#cancellable(signal, async (cancellation) => {
      const raw = rawInputs(inputs);
      return new Tensor<'float32'>(await this.#raw.sample(raw, noise.raw, numSteps, cancellation));
    });
  }

  /** As `sample`, and the event loop waits for it: behind what is queued on the inference thread. */
  sampleSync(inputs: PolicyInputs, noise: Tensor, numSteps = 0): Tensor<'float32'> {
    const raw = rawInputs(inputs);
    return translate(
      () => new Tensor<'float32'>(this.#raw.sample(raw, noise.raw, numSteps, null, true)),
    );
  }

  /**
   * The flow alone on the tensors of a safetensors file, its actions into another: normalised and
   * padded on both sides (`debug sample`; native/core/flow/sample_file.h names the tensors).
   */
  sampleFile(inputs: string, out: string, numSteps = 0, signal?: AbortSignal): Promise<void> {
    return this.#cancellable(signal, (cancellation) =>
      this.#raw.sampleFile(inputs, out, numSteps, cancellation),
    );
  }

  get parameterCount(): number {
    return translate(() => this.#raw.parameterCount());
  }

  /** CRC-32C of the bytes of every parameter and buffer, by name. */
  parameterChecksums(): Promise<Record<string, number>> {
    return translateAsync(() => this.#raw.parameterChecksums());
  }

  /** Gives the weights back once no call is under way. Idempotent; later calls are errors. */
  dispose(): void {
    this.#raw.dispose();
  }

  /** A call that `signal` cancels. Each has a flag of its own: others may wait in the queue. */
  async #cancellable<Result>(
    signal: AbortSignal | undefined,
    call: (cancellation: RawCancellation) => Promise<Result>,
  ): Promise<Result> {
    signal?.throwIfAborted();
    const cancellation = new this.#runtime.binding.Cancellation();
    const cancel = () => cancellation.cancel();
    signal?.addEventListener('abort', cancel, { once: true });
    try {
      return await translateAsync(() => call(cancellation));
    } catch (error) {
      signal?.throwIfAborted();
      throw error;
    } finally {
      signal?.removeEventListener('abort', cancel);
    }
  }
}

function rawInputs(inputs: PolicyInputs): RawPolicyInputs {
  const { images, state, tokens, tokenMask, imageMasks } = inputs;
  return {
    images: images.map((tensor) => tensor.raw),
    states: state.raw,
    tokens: tokens.raw,
    tokenMask: tokenMask.raw,
    imageMasks: imageMasks?.raw ?? null,
  };
}
