import { availableParallelism } from 'node:os';
import { loadNative, parseDevice } from '../torch/index.js';
import type { Binding } from './binding.js';
import { translate } from './errors.js';

/** What tensor handles hold; a storage that several of them share counts once. */
export interface TensorMemory {
  tensors: number;
  hostBytes: number;
  deviceBytes: number;
}

/** The loaded core: where it computes, and with which torch. */
export interface Runtime {
  /** `cpu` or `cuda:N`: where networks and policies live. */
  readonly device: string;
  readonly torchVersion: string;
  /**
   * Whether `Tensor.view` is possible: some Nodes, Electron's among them, allow no arrays over
   * native memory. `read` copies and works everywhere; nothing else depends on it.
   * DSRL_NO_EXTERNAL_BUFFERS=1 in the environment makes any Node such a one, for tests.
   */
  readonly zeroCopy: boolean;
  /**
   * Threads of libtorch's own operations: one less than there are cores, unless OMP_NUM_THREADS or
   * `setThreads` says another number. A learner on the CPU shares each update among all cores, or
   * among that number, one for every 16 rows that go through the networks at a time at most.
   */
  readonly threads: number;
  /**
   * Sets the threads of libtorch's own operations, for the whole process: for what this thread does
   * at once, for what native threads do from their next call on, and for the updates of learners
   * that are made from now on.
   */
  setThreads(count: number): void;
  /** What the live handles of this thread hold. */
  memory(): TensorMemory;
  /** The addon itself, for the handles of lib/native. */
  readonly binding: Binding;
}

/** The core that the exit listener joins; one a process, however often a runtime is made. */
let loadedCore: Binding | undefined;

/**
 * Finds torch, loads it and the core, and decides where to compute. Synchronous; takes about half
 * a second, so commands that need no numbers do not call it.
 *
 * @throws TorchNotFoundError, EnvironmentSetupError: see lib/torch.
 */
export function createRuntime(options: { device?: string; torchHome?: string } = {}): Runtime {
  const loaded = loadNative<Binding>({
    ...(options.device === undefined ? {} : { device: parseDevice(options.device) }),
    ...(options.torchHome === undefined ? {} : { torchHome: options.torchHome }),
  });
  const binding = loaded.core;
  if (process.env.OMP_NUM_THREADS === undefined) {
    binding.setDefaultThreads(availableParallelism());
  }
  if (loadedCore === undefined) {
    // process.exit() on the main thread runs no environment cleanup hook: without this listener a
    // thread inside libtorch would meet its destructors (abort in backward()).
    process.on('exit', () => binding.shutdown());
    loadedCore = binding;
  }
  return {
    device: loaded.device,
    torchVersion: binding.torchVersion,
    zeroCopy: binding.zeroCopy,
    binding,
    get threads() {
      return binding.getThreads();
    },
    setThreads: (count) => translate(() => binding.setThreads(count)),
    memory: () => binding.memory(),
  };
}

/**
 * Ends the process at once. Unlike `process.exit()` it waits for no native thread: a chunk of a
 * large policy, or an update, may be under way for a minute.
 */
export function exitAtOnce(code: number): never {
  loadedCore?.exitAtOnce(code);
  process.exit(code);
}
