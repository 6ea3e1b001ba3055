import {
  CheckpointError,
  ConfigError,
  DsrlError,
  EnvironmentSetupError,
  PolicyError,
  RuntimeFailure,
  UsageError,
} from '../errors.js';

/**
 * Runs a native call; what it throws becomes one of the project's error classes.
 * The addon sets `code`; here each code gets its class, and with it the hint and the exit code.
 */
export function translate<T>(call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw toDsrlError(error);
  }
}

/** As `translate`, for calls that answer later. */
export async function translateAsync<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw toDsrlError(error);
  }
}

/** What to type when something that LIBERO or a GPU needs is missing. */
const ENVIRONMENT_HINTS: Readonly<Record<string, string>> = {
  ERR_DSRL_CUDA_KERNEL: 'see what nvidia-smi says, or use --device cpu',
  ERR_DSRL_LIBERO_BUNDLE: 'make the bundle with: dsrl-native libero setup',
  ERR_DSRL_LIBERO_MUJOCO: 'unset DSRL_MUJOCO, or make the bundle with: dsrl-native libero setup',
  ERR_DSRL_LIBERO_PLUGIN: 'compile the plugin with: npm run build:libero',
  ERR_DSRL_LIBERO_GL:
    'type: apt-get install -y libosmesa6 (or libegl1 libegl-mesa0 libgl1-mesa-dri for EGL)',
};

/** What torch says of `cuda` in a CPU build, without a driver, and beyond the last GPU. */
const NO_SUCH_GPU =
  /not linked with support for cuda|'CUDA' backend|NVIDIA driver|invalid device ordinal/i;

function toDsrlError(error: unknown): unknown {
  if (error instanceof DsrlError || !(error instanceof Error)) return error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : 'ERR_DSRL_NATIVE';
  const message = error.message;
  if (code === 'ERR_DSRL_CHECKPOINT_WRITE') {
    return new EnvironmentSetupError(code, message, {
      hint: 'make room there, or make it writable; then go on with --resume',
      cause: error,
    });
  }
  if (code.startsWith('ERR_DSRL_CHECKPOINT_')) {
    return new CheckpointError(code as `ERR_DSRL_CHECKPOINT_${string}`, message, {
      hint: 'use a complete checkpoint of the same configuration, or start a new run',
      cause: error,
    });
  }
  if (code === 'ERR_DSRL_POLICY_NOT_FINITE') {
    return new PolicyError(code, message, {
      hint:
        'check the state against the statistics of policy.json; ' +
        'if the policy is in bf16, export it again with --dtype f32',
      cause: error,
    });
  }
  if (code.startsWith('ERR_DSRL_POLICY_')) {
    return new PolicyError(code as `ERR_DSRL_POLICY_${string}`, message, {
      hint: 'export the policy again, or name another one with actor.model.model_path=DIR',
      cause: error,
    });
  }
  if (code.startsWith('ERR_DSRL_CONFIG_')) {
    return new ConfigError(code as `ERR_DSRL_CONFIG_${string}`, message, {
      hint: 'see the keys and their ranges in docs/config.md',
      cause: error,
    });
  }
  if (NO_SUCH_GPU.test(message)) {
    return new EnvironmentSetupError('ERR_DSRL_CUDA_UNAVAILABLE', 'there is no such GPU here', {
      hint: 'see what `dsrl-native doctor` says of this machine, or use the device cpu',
      cause: error,
    });
  }
  const environmentHint = ENVIRONMENT_HINTS[code];
  if (environmentHint !== undefined) {
    return new EnvironmentSetupError(code as `ERR_DSRL_${string}`, message, {
      hint: environmentHint,
      cause: error,
    });
  }
  if (code === 'ERR_DSRL_NO_EXTERNAL_BUFFERS') {
    return new UsageError(code, message, {
      hint: 'call read(), or read(into) with an array of your own; runtime.zeroCopy tells before',
      cause: error,
    });
  }
  if (code === 'ERR_DSRL_OOM') {
    return new RuntimeFailure(code, message, {
      hint:
        'dispose of the tensors that the message names, if they are lost; or lower ' +
        'algorithm.replay_buffer.capacity, actor.micro_batch_size or total_num_envs',
      cause: error,
    });
  }
  if (code === 'ERR_DSRL_DISPOSED') {
    return new UsageError(code, message, {
      hint: 'make another, or dispose of it behind the last call',
      cause: error,
    });
  }
  if (code === 'ERR_DSRL_WRONG_THREAD') {
    return new UsageError(code, message, {
      hint: 'send what read() gives, or a SharedArrayBuffer, and make the tensor in this thread',
      cause: error,
    });
  }
  if (error instanceof TypeError || error instanceof RangeError || code !== 'ERR_DSRL_NATIVE') {
    return new UsageError(code as `ERR_DSRL_${string}`, message, {
      hint: 'check the arguments of this call against its documentation',
      cause: error,
    });
  }
  return new RuntimeFailure('ERR_DSRL_NATIVE', message, {
    hint: 'this is a defect: please report it with the output of: dsrl-native doctor --json',
    cause: error,
  });
}
