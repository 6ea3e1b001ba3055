import { UsageError } from '../errors.js';
import { NativePolicy, type PolicyNoise, type Runtime, type Tensor } from '../native/index.js';
import { type Abortable, abortable } from '../signal.js';
import { openArtefact, type PolicyArtefact, readArtefact } from './artefact.js';
import { MOST_STEPS, type PolicyContract } from './contract.js';
import { type PolicyNeeds, refuseUnfit } from './fits.js';
import { nativeSpec } from './native-spec.js';
import { checkObservation, type PolicyObservation } from './observation.js';
import { PromptTable } from './prompts.js';
import { copyOf, type RobotBatch } from './robot-observation.js';

/**
 * The frozen policy: observation and noise in, actions of a robot out. Its weights never change.
 * `sample` runs on the inference thread; several calls wait for one another there.
 */
export class FrozenPolicy implements Disposable {
  /** policy.json as it was read. */
  readonly metadata: PolicyContract;
  private readonly native: NativePolicy;
  private readonly prompts: PromptTable;

  private constructor(artefact: PolicyArtefact, native: NativePolicy) {
    const { folder, contract } = artefact;
    this.metadata = contract;
    this.native = native;
    this.prompts = new PromptTable(folder, contract);
  }

  /**
   * Opens an exported policy, and the event loop waits for it.
   *
   * @param folder holds policy.json and policy.pt
   * @throws PolicyError ERR_DSRL_POLICY_MISSING, _DAMAGED, _HASH, _LOAD, _CONTRACT, _SPEC
   */
  static load(runtime: Runtime, folder: string): FrozenPolicy {
    const artefact = readArtefact(folder);
    const spec = nativeSpec(artefact.contract);
    return new FrozenPolicy(artefact, NativePolicy.load(runtime, artefact.modelFile, spec));
  }

  /**
   * As `load`, for a process that has other things to do: policy.pt is hashed piece by piece
   * between them, and read on the inference thread.
   *
   * An abort stops the hashing, and drops what was read.
   */
  static async open(
    runtime: Runtime,
    folder: string,
    { signal }: Abortable = {},
  ): Promise<FrozenPolicy> {
    const artefact = await openArtefact(folder, signal);
    const spec = nativeSpec(artefact.contract);
    const open = () => NativePolicy.open(runtime, artefact.modelFile, spec);
    const native = await abortable(signal, open, { discard: (late) => late.dispose() });
    return new FrozenPolicy(artefact, native);
  }

  get parameterCount(): number {
    return this.native.parameterCount;
  }

  /**
   * CRC-32C of the bytes of every parameter and buffer, by name: what is frozen stays the same. An
   * abort rejects once they are all read.
   */
  parameterChecksums(options: Abortable = {}): Promise<Record<string, number>> {
    return this.native.parameterChecksums(options);
  }

  /**
   * Checks that a configuration can be trained with this policy.
   *
   * @throws PolicyError ERR_DSRL_POLICY_CONTRACT that names every difference
   */
  checkFits(config: PolicyNeeds): void {
    refuseUnfit(this.metadata, config);
  }

  /**
   * The policy's actions for given noise: Euler steps of the flow, un-normalised.
   *
   * @param noise float32 [B * M, noise_dim], used for all of the horizon, or
   *   [B * M, H, noise_dim], M noises for each observation, those of one observation adjacent. They
   *   cost one pass over pictures and prompt.
   * @param numSteps 1 to 1,000; those of policy.json unless given
   * @param options an abort stops between two Euler steps
   * @returns float32 [B * M, H, action_dim]
   * @throws PolicyError ERR_DSRL_POLICY_CONTRACT where the observation is not what it was made for,
   *   _TOKENIZER for a new prompt without a tokenizer; UsageError ERR_DSRL_DISPOSED after `dispose`
   */
  async sample(
    observation: PolicyObservation,
    noise: Tensor<'float32'>,
    numSteps: number = this.metadata.num_steps,
    options: Abortable = {},
  ): Promise<Tensor<'float32'>> {
    options.signal?.throwIfAborted();
    this.checkSteps(numSteps);
    const images = checkObservation(this.metadata, observation);
    const tokens = await this.prompts.tokensOf(observation.prompts);
    const inputs = { images, state: observation.state, ...tokens };
    return this.native.sample(inputs, noise, numSteps, options);
  }

  /**
   * As `sample`, for values: what a robot shows in, its actions [B * M, H, action_dim] out, row by
   * row. The batch is copied before this returns.
   *
   * @internal `Policy` is for robots, and checks what they show
   */
  async infer(
    batch: RobotBatch,
    noise: PolicyNoise,
    numSteps: number = this.metadata.num_steps,
    options: Abortable = {},
  ): Promise<Float32Array> {
    this.checkSteps(numSteps);
    let { images, state, prompts } = batch;
    let tokens = this.prompts.tokensOf(prompts);
    if (tokens instanceof Promise) {
      // A tokenizer is asked first, and the robot may draw its next picture meanwhile.
      ({ images, state } = copyOf(batch));
      tokens = await tokens;
    }
    return this.native.infer({ images, state, ...tokens }, noise, numSteps, options);
  }

  /**
   * As `infer`, into `out`, and the event loop waits for it. Opens no tokenizer: a prompt has to
   * stand in policy.json, or to have been used or prepared before.
   *
   * @internal
   */
  inferSync(
    { images, state, prompts }: RobotBatch,
    noise: PolicyNoise,
    out: Float32Array,
    numSteps: number = this.metadata.num_steps,
  ): Float32Array {
    this.checkSteps(numSteps);
    const tokens = this.prompts.tokensNow(prompts);
    return this.native.inferSync({ images, state, ...tokens }, noise, out, numSteps);
  }

  /**
   * Turns a prompt into tokens, for later calls. The first new one opens the tokenizer, which an
   * abort does not stop: the promise rejects when it is open.
   */
  async prepare(prompt: string, { signal }: Abortable = {}): Promise<void> {
    await abortable(signal, async () => this.prompts.tokensOf([prompt]));
  }

  private checkSteps(numSteps: number): void {
    if (Number.isInteger(numSteps) && numSteps >= 1 && numSteps <= MOST_STEPS) return;
    throw new UsageError('ERR_DSRL_NUM_STEPS', `${numSteps} Euler steps cannot be taken`, {
      hint: `give a whole number from 1 to ${MOST_STEPS}, or none for ${this.metadata.num_steps}`,
    });
  }

  /** See NativePolicy.sampleFile. */
  sampleFile(inputs: string, out: string, numSteps = 0, options: Abortable = {}): Promise<void> {
    return this.native.sampleFile(inputs, out, numSteps, options);
  }

  /** Gives the weights back once no call is under way. Idempotent; later calls are errors. */
  dispose(): void {
    this.native.dispose();
  }
  /** `dispose`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}
