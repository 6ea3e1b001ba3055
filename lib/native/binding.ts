/**
 * The core addon as it is: what native/addon exports, before the typed handles of this folder.
 * Nothing outside lib/native imports it.
 */

export type DType = 'float32' | 'float64' | 'int64' | 'int32' | 'uint8' | 'bool';

export interface RawTensor {
  readonly dtype: DType;
  readonly shape: number[];
  readonly device: string;
  readonly byteLength: number;
  view(): ArrayBufferView;
  read(into?: ArrayBufferView): ArrayBufferView;
  /** The tensor on the host, when the inference thread has come to it. */
  readAsync(): Promise<RawTensor>;
  to(device: string): RawTensor;
  slice(dimension: number, start: number, end?: number): RawTensor;
  isFinite(): boolean;
  dispose(): void;
}

/** Sizes of the networks, under the names of `debug replay-updates`. */
export interface NetworkSizes {
  image_size: number;
  image_channels: number[];
  image_kernels: number[];
  image_strides: number[];
  image_latent_dim: number;
  state_dim: number;
  state_latent_dim: number;
  noise_dim: number;
  hidden_dims: number[];
  num_q_heads: number;
  noise_magnitude: number;
}

/** The learner's hyperparameters; `critic_subsample_size` and later are ours beside that list. */
export interface LearnerSettings extends NetworkSizes {
  gamma: number;
  tau: number;
  agg_q: 'mean' | 'min';
  actor_agg_q: 'mean' | 'min';
  backup_entropy: boolean;
  bootstrap_type: 'standard' | 'always';
  train_actor_steps: number;
  target_update_freq: number;
  alpha_type: 'softplus' | 'exp' | 'fixed_alpha';
  initial_alpha: number;
  target_entropy: number;
  actor_lr: number;
  actor_betas: [number, number];
  actor_clip: number;
  critic_lr: number;
  critic_betas: [number, number];
  critic_clip: number;
  alpha_lr: number;
  alpha_betas: [number, number];
  alpha_clip: number;
  adam_eps: number;
  micro_batch_size: number;
  /** That share an update on the CPU; unless given, as `Runtime.threads` says. */
  threads?: number;
  critic_subsample_size: number;
  critic_actor_ratio: number;
  batch_size: number;
  /** Batches are drawn from the newest so many transitions; 0: from all that the replay holds. */
  sample_window: number;
}

/** One update's metrics by the names of replay_updates.md, and its index. */
export type UpdateRow = { update: number } & Record<string, number>;

export interface RawAgent {
  act(
    frames: RawTensor | null,
    states: RawTensor,
    step: number,
    deterministic: boolean,
  ): Promise<RawTensor>;
  load(file: string, version: number): void;
  version(): number;
  dispose(): void;
}

export interface RawReplay {
  append(rows: {
    images: RawTensor | null;
    states: RawTensor;
    nextImages: RawTensor | null;
    nextStates: RawTensor;
    noise: RawTensor;
    rewards: Float32Array;
    steps: Int32Array;
    terminated: Uint8Array;
    active: Uint8Array;
    version: number;
  }): void;
  size(): number;
  total(): number;
  capacity(): number;
  save(folder: string, previous: string): Promise<void>;
  load(folder: string): Promise<void>;
  dispose(): void;
}

export interface RawLearner {
  /** `cancellation` stops it between two updates. */
  update(
    count: number,
    replay: RawReplay,
    cancellation: RawCancellation | null,
  ): Promise<UpdateRow[]>;
  /** One update on the tensors of a batch file, synchronously (debug replay-updates). */
  updateFromFile(file: string): UpdateRow;
  publish(agent: RawAgent): void;
  finite(): Promise<boolean>;
  updates(): number;
  setUpdates(updates: number): void;
  /** `heads`: of the critic's, those of the Q heads. */
  parameterCounts(): { actor: number; critic: number; heads: number };
  saveAgent(file: string): Promise<void>;
  loadAgent(file: string): void;
  saveTarget(file: string): Promise<void>;
  loadTarget(file: string): void;
  resetTarget(): void;
  saveOptimizer(file: string): Promise<void>;
  loadOptimizer(file: string): void;
  dispose(): void;
}

export interface RawPolicySpec {
  horizon: number;
  noise_dim: number;
  state_dim: number;
  action_dim: number;
  num_steps: number;
  num_cameras: number;
  image_size: number;
  prompt_length: number;
  /** Of the prompts whose ids are known; 0 where there are none. */
  largest_token: number;
  precision: 'float32' | 'bfloat16';
  image_resize: 'none' | 'openpi' | 'lerobot';
  time_convention: 'double' | 'float32';
  normalization_mode: 'mean_std' | 'quantiles';
  normalization_eps: number;
  /** Of the mode mean_std. */
  state_mean?: number[];
  state_std?: number[];
  action_mean?: number[];
  action_std?: number[];
  /** Of the mode quantiles: q01 and q99. */
  state_low?: number[];
  state_high?: number[];
  action_low?: number[];
  action_high?: number[];
  delta_action_mask: number[];
}

/** A flag that ends one running call. */
export interface RawCancellation {
  cancel(): void;
}

/** Pictures as values, a row an observation: uint8, upright, RGB, channels last. */
export interface PictureRows {
  rows: readonly Uint8Array[];
  height: number;
  width: number;
}

/** Handles, or values that are copied when the call is made: row by row, of the policy's widths. */
export interface RawPolicyInputs {
  images: (RawTensor | PictureRows)[];
  states: RawTensor | Float32Array;
  tokens: RawTensor | BigInt64Array;
  tokenMask: RawTensor | Uint8Array;
  imageMasks: RawTensor | null;
}

/** Given; or what an agent chooses for the same observation. Values: [R, H, noise_dim]. */
export type RawNoise =
  | RawTensor
  | Float32Array
  | { agent: RawAgent; step: number; deterministic: boolean };

export interface RawFrozenPolicy {
  sample(
    inputs: RawPolicyInputs,
    noise: RawNoise,
    numSteps: number,
    cancellation: RawCancellation | null,
  ): Promise<RawTensor>;
  /** As `sample`, the actions as values. */
  infer(
    inputs: RawPolicyInputs,
    noise: RawNoise,
    numSteps: number,
    cancellation: RawCancellation | null,
  ): Promise<Float32Array>;
  /** As `infer`, into `out`, and the event loop waits for it. */
  inferSync(
    inputs: RawPolicyInputs,
    noise: RawNoise,
    numSteps: number,
    cancellation: null,
    out: Float32Array,
  ): Float32Array;
  sampleFile(
    inputs: string,
    out: string,
    numSteps: number,
    cancellation: RawCancellation | null,
  ): Promise<void>;
  parameterCount(): number;
  /** CRC-32C by the parameter's or buffer's name. */
  parameterChecksums(): Promise<Record<string, number>>;
  dispose(): void;
}

export interface RawObservation {
  images: Record<string, RawTensor>;
  states: RawTensor;
}

export interface RawChunkResult {
  observation: RawObservation;
  success: Uint8Array;
  executed: Int32Array;
  failure: Int32Array;
  /** Absent where nothing was filmed. */
  frames?: RawTensor;
}

export interface RawVecEnv {
  numEnvs(): number;
  numTasks(): number;
  numTrials(): number;
  actionDim(): number;
  restore(env: number, task: number, trial: number): void;
  observe(): RawObservation;
  /**
   * actions: float32 or float64 [B, C, action_dim]; limit: steps an environment may execute, [B].
   */
  stepChunk(
    actions: RawTensor,
    limit: Int32Array,
    pictures: boolean,
    filmed: Uint8Array | undefined,
  ): Promise<RawChunkResult>;
  interior(env: number): { qpos: Float64Array; qvel: Float64Array; state: Float64Array };
  /** errands: [B]; actions float64 [B, 1, action_dim]; phases [B]. */
  expertStep(errands: Int32Array): { actions: RawTensor; phases: Int32Array };
  saveState(): Float64Array;
  loadState(state: Float64Array): void;
  dispose(): void;
}

export interface Binding {
  readonly torchVersion: string;
  /** Whether this Node allows arrays over native memory; Electron does not. */
  readonly zeroCopy: boolean;
  /** Opens the kernels for the GPUs of this process. */
  openCudaPlugin(file: string, device: string): void;
  /** Threads of libtorch's operations, for the calling process. */
  setThreads(count: number): void;
  /** Where nobody calls `setThreads`, the numbers follow from how many cores there are. */
  setDefaultThreads(cores: number): void;
  getThreads(): number;
  memory(): { tensors: number; hostBytes: number; deviceBytes: number };
  Tensor: {
    from(data: ArrayBufferView, shape: number[], dtype: DType): RawTensor;
  };
  Agent: new (sizes: NetworkSizes, seed: bigint, device: string) => RawAgent;
  Learner: new (settings: LearnerSettings, seed: bigint, device: string) => RawLearner;
  Replay: new (sizes: NetworkSizes, capacity: number, numEnvs: number, device: string) => RawReplay;
  Cancellation: new () => RawCancellation;
  FrozenPolicy: {
    load(file: string, spec: RawPolicySpec, device: string): Promise<RawFrozenPolicy>;
    load(file: string, spec: RawPolicySpec, device: string, wait: true): RawFrozenPolicy;
  };
  VecEnv: new (kind: string, options: Record<string, unknown>) => RawVecEnv;
  readSafetensors(file: string): Record<string, RawTensor>;
  writeSafetensors(file: string, tensors: Record<string, RawTensor>): void;
  resizeFrames(pictures: RawTensor, size: number): RawTensor;
  /** Standard normals of a stream: rows are envs 0.., for the iid and tiled baselines. */
  randomNormal(
    seed: bigint,
    stream: string,
    step: number,
    rows: number,
    columns: number,
  ): RawTensor;
  /** Uniform in [0, 1), laid out alike. */
  randomUniform(
    seed: bigint,
    stream: string,
    step: number,
    rows: number,
    columns: number,
  ): RawTensor;
  randomStream(
    seed: bigint,
    stream: string,
    step: number,
    env: number,
    count: number,
  ): { u32: number[]; uniform: number[]; normal: number[] };
  /** Joins this environment's native threads; later calls reject. Called by the exit listener. */
  shutdown(): void;
  /** Ends the process without waiting for anything, native threads included. */
  exitAtOnce(code: number): never;
}
