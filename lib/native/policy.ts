import { type Abortable, abortable } from '../signal.js';
import type {
  PictureRows,
  RawCancellation,
  RawFrozenPolicy,
  RawNoise,
  RawPolicyInputs,
  RawPolicySpec,
  RawTensor,
} from './binding.js';
import { translate, translateAsync } from './errors.js';
import type { Agent } from './learning.js';
import type { Runtime } from './runtime.js';
import { Tensor } from './tensor.js';

/**
 * What a frozen policy is given, a row an observation: handles of native memory, or values, which
 * are copied once, as the call is made. Tokens and masks are best left on the host: the runner
 * looks there which cameras and which ends of prompts it can leave out.
 */
export interface PolicyInputs {
  /**
   * A tensor a camera, in the order of policy.json: uint8 [B, H, W, 3]. H and W are its
   * `image_size`, or, where its `image_resize` is not "none", any, and each camera's own.
   */
  images: readonly (Tensor | PictureRows)[];
  /** float32 [B, state_dim], raw. */
  state: Tensor | Float32Array;
  /** int64 [B, L] and bool [B, L]. */
  tokens: Tensor | BigInt64Array;
  tokenMask: Tensor | Uint8Array;
  /** bool [B, N], false where a camera is not to be seen; without it all are. */
  imageMasks?: Tensor<'bool'>;
}

/** An agent chooses the noise for the same observation; its frame is the first camera's picture. */
export interface AgentNoise {
  agent: Agent;
  /** Keys the draw. */
  step: number;
  /** True: the mean of the agent's distribution. */
  deterministic: boolean;
}

/**
 * Where the flow begins. A tensor is float32 [B * M, D], tiled over the horizon, or [B * M, H, D]:
 * M noises for each observation, those of one observation adjacent; M noises cost one prefix.
 * Values are those of [B * M, H, D], row by row.
 */
export type PolicyNoise = Tensor | Float32Array | AgentNoise;

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
   * Actions [B * M, H, action_dim], un-normalised.
   *
   * @param numSteps Euler steps; 0: those of policy.json
   * @param signal stops the sample between two Euler steps; the promise rejects with its reason
   */
  sample(
    inputs: PolicyInputs,
    noise: PolicyNoise,
    numSteps = 0,
    { signal }: Abortable = {},
  ): Promise<Tensor<'float32'>> {
    const call = async (cancellation: RawCancellation | null) => {
      const given = [rawInputs(inputs), rawNoise(noise), numSteps, cancellation] as const;
      return new Tensor<'float32'>(await this.#raw.sample(...given));
    };
    return this.#cancellable(signal, call, (actions) => actions.dispose());
  }

  /** As `sample`, the actions as values. */
  infer(
    inputs: PolicyInputs,
    noise: PolicyNoise,
    numSteps = 0,
    { signal }: Abortable = {},
  ): Promise<Float32Array> {
    return this.#cancellable(signal, (cancellation) =>
      this.#raw.infer(rawInputs(inputs), rawNoise(noise), numSteps, cancellation),
    );
  }

  /**
   * As `infer`, into `out`, and the event loop waits for it: behind what is queued on the inference
   * thread.
   */
  inferSync(
    inputs: PolicyInputs,
    noise: PolicyNoise,
    out: Float32Array,
    numSteps = 0,
  ): Float32Array {
    return translate(() =>
      this.#raw.inferSync(rawInputs(inputs), rawNoise(noise), numSteps, null, out),
    );
  }

  /**
   * The flow alone on the tensors of a safetensors file, its actions into another: normalised and
   * padded on both sides (`debug sample`; native/core/flow/sample_file.h names the tensors).
   */
  sampleFile(inputs: string, out: string, numSteps = 0, { signal }: Abortable = {}): Promise<void> {
    return this.#cancellable(signal, (cancellation) =>
      this.#raw.sampleFile(inputs, out, numSteps, cancellation),
    );
  }

  get parameterCount(): number {
    return translate(() => this.#raw.parameterCount());
  }

  /**
   * CRC-32C of the bytes of every parameter and buffer, by name; an abort rejects when it is done
   */
  parameterChecksums({ signal }: Abortable = {}): Promise<Record<string, number>> {
    return abortable(signal, () => translateAsync(() => this.#raw.parameterChecksums()));
  }

  /** Gives the weights back once no call is under way. Idempotent; later calls are errors. */
  dispose(): void {
    this.#raw.dispose();
  }

  /** A call that `signal` cancels. Each has a flag of its own: others may wait in the queue. */
  #cancellable<Result>(
    signal: AbortSignal | undefined,
    call: (cancellation: RawCancellation | null) => Promise<Result>,
    discard?: (result: Result) => void,
  ): Promise<Result> {
    if (signal === undefined) return translateAsync(() => call(null));
    const cancellation = new this.#runtime.binding.Cancellation();
    const stop = () => cancellation.cancel();
    const options = { stop, ...(discard && { discard }) };
    return abortable(signal, () => translateAsync(() => call(cancellation)), options);
  }
}

function rawInputs(inputs: PolicyInputs): RawPolicyInputs {
  const { images, state, tokens, tokenMask, imageMasks } = inputs;
  return {
    images: images.map(rawOf),
    states: rawOf(state),
    tokens: rawOf(tokens),
    tokenMask: rawOf(tokenMask),
    imageMasks: imageMasks?.raw ?? null,
  };
}

function rawNoise(noise: PolicyNoise): RawNoise {
  if (noise instanceof Tensor || noise instanceof Float32Array) return rawOf(noise);
  const { agent, step, deterministic } = noise;
  return { agent: agent.raw, step, deterministic };
}

/** The native handle of a tensor; values as they are. */
function rawOf<Values>(given: Tensor | Values): RawTensor | Values {
  return given instanceof Tensor ? given.raw : given;
}
