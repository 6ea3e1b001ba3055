import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { EnvironmentSetupError, RuntimeFailure, UsageError } from '../errors.js';
import {
  type BackendChunkResult,
  type BackendObservation,
  LIBERO_SETTLING_ACTION,
  type LiberoSuite,
  liberoHome,
  type Runtime,
  Tensor,
  type VecEnvBackend,
} from '../native/index.js';
import { packageRoot } from '../torch/surroundings.js';
import { FAILURE } from './failure.js';
import { type Answer, LineWorker, WorkerLost, type WorkerOptions } from './libero-python-worker.js';

const CAMERAS = ['main', 'wrist'] as const;
const STATE_DIM = 8;
const ACTION_DIM = 7;

export interface LiberoPythonOptions {
  suite: LiberoSuite;
  /** Each is a process of about 2 GB. */
  numEnvs: number;
  /** The environment's (env.*.seed): the fixtures of environment e of n stand where the original
   * places them for the seed `seed` * n + e, as RLinf's workers do. */
  seed?: number;
  pictureSize?: number;
  /** The Python of an environment that has the original; the one that `libero setup` makes. */
  python?: string;
  /** How long a worker may take to start, and for one command, in ms. */
  patience?: WorkerOptions['patience'];
  /** Told of every worker that is lost. */
  warn?: ((text: string) => void) | undefined;
  /** @internal what is run instead of worker.py */
  workerScript?: string;
}

interface Slot {
  readonly env: number;
  worker: LineWorker;
  task: number;
  trial: number;
  /** The restore that is under way, or the last one. */
  restored: Promise<void>;
}

/**
 * The original LIBERO, one process an environment: the reference, and the way to suites that the
 * native backend has not. Slow: a chunk costs what its steps cost in Python and two pictures.
 *
 * `restore` returns at once and the workers reset side by side; `observe` and `stepChunk` wait for
 * them. A worker that dies or hangs is replaced; until the next `restore` the new one shows zeros.
 */
export class LiberoPythonBackend implements VecEnvBackend {
  readonly numTrials: number;
  readonly actionDim = ACTION_DIM;
  readonly settlingAction = LIBERO_SETTLING_ACTION;
  /** Workers that were lost and replaced. */
  workersLost = 0;
  /** What the policy is told in each task. */
  readonly #tasks: readonly string[];
  readonly #runtime: Runtime;
  readonly #options: LiberoPythonOptions;
  readonly #slots: Slot[];
  #ended = false;

  private constructor(
    runtime: Runtime,
    options: LiberoPythonOptions,
    workers: LineWorker[],
    { tasks, trials }: { tasks: string[]; trials: number },
  ) {
    this.#runtime = runtime;
    this.#options = options;
    this.#tasks = tasks;
    this.numTrials = trials;
    this.#slots = workers.map((worker, env) => {
      return { env, worker, task: 0, trial: 0, restored: Promise.resolve() };
    });
  }

  /**
   * Starts the workers. `dispose` ends them.
   *
   * @throws EnvironmentSetupError ERR_DSRL_LIBERO_PYTHON if there is no original
   */
  static async start(runtime: Runtime, options: LiberoPythonOptions): Promise<LiberoPythonBackend> {
    const workers = Array.from({ length: options.numEnvs }, (_, env) => startWorker(options, env));
    try {
      const answers = await Promise.all(workers.map(({ ready }) => ready));
      const first = answers[0] as { tasks: string[]; trials: number };
      return new LiberoPythonBackend(runtime, options, workers, first);
    } catch (error) {
      const said = workers.map((worker) => worker.said).find((text) => text !== '');
      for (const worker of workers) worker.end();
      if (error instanceof WorkerLost) throw cannotStart(error, said ?? '', options);
      throw error;
    }
  }

  get numEnvs(): number {
    return this.#slots.length;
  }

  get numTasks(): number {
    return this.#tasks.length;
  }

  prompt(task: number): string {
    return this.#tasks[task] ?? '';
  }

  restore(env: number, task: number, trial: number): void {
    const slot = this.#slot(env);
    if (!this.#tasks[task]) throw outOfRange('task', task, this.numTasks);
    if (!(trial >= 0 && trial < this.numTrials)) throw outOfRange('trial', trial, this.numTrials);
    Object.assign(slot, { task, trial });
    const before = slot.restored;
    slot.restored = before.catch(() => {}).then(() => this.#restoreSlot(slot));
    // It is waited for later; a failure must not end the process until then.
    slot.restored.catch(() => {});
  }

  async observe(): Promise<BackendObservation> {
    await Promise.all(this.#slots.map(({ restored }) => restored));
    return this.#show();
  }

  async stepChunk(actions: Tensor, limit: Int32Array): Promise<BackendChunkResult> {
    const [envs = 0, chunk = 0, width = 0] = actions.shape;
    if (envs !== this.numEnvs || width !== ACTION_DIM || limit.length !== envs) {
      throw new UsageError(
        'ERR_DSRL_ACTIONS',
        `actions of shape [${actions.shape.join(', ')}] for [${this.numEnvs}, C, ${ACTION_DIM}]`,
        { hint: 'one chunk of 7 numbers a step for each environment' },
      );
    }
    const rows = rowsOf(actions.read() as Float32Array | Float64Array, envs, chunk, limit);
    const success = new Uint8Array(envs * chunk);
    const executed = new Int32Array(envs);
    const failure = new Int32Array(envs);
    await Promise.all(
      rows.map(async (row, env) => {
        const slot = this.#slot(env);
        await slot.restored;
        if (row.length === 0) return;
        const done = await this.#step(slot, row);
        executed[env] = done.executed;
        failure[env] = done.failure;
        if (done.success) success[env * chunk + done.executed - 1] = 1;
      }),
    );
    return { observation: this.#show(), success, executed, failure };
  }

  dispose(): void {
    this.#ended = true;
    for (const { worker } of this.#slots) worker.end();
  }
  [Symbol.dispose](): void {
    this.dispose();
  }

  #slot(env: number): Slot {
    const slot = this.#slots[env];
    if (slot === undefined) throw outOfRange('environment', env, this.numEnvs);
    return slot;
  }

  /** Twice at most: a state in which the original dies each time is an error. */
  async #restoreSlot(slot: Slot): Promise<void> {
    const { task, trial } = slot;
    const command = { command: 'restore', task, trial };
    try {
      accept(await slot.worker.ask(command));
    } catch (error) {
      if (!(error instanceof WorkerLost)) throw error;
      this.#replace(slot, error);
      try {
        accept(await slot.worker.ask(command));
      } catch (again) {
        if (!(again instanceof WorkerLost)) throw again;
        throw new RuntimeFailure(
          'ERR_DSRL_LIBERO_WORKER',
          `the original cannot be put into task ${task}, trial ${trial}: ${again.message}`,
          { hint: `its last words:\n${slot.worker.said}`, cause: again },
        );
      }
    }
  }

  async #step(
    slot: Slot,
    actions: number[][],
  ): Promise<{ executed: number; success: boolean; failure: number }> {
    try {
      const answer = accept(await slot.worker.ask({ command: 'step', actions }));
      const { executed, success, unstable } = answer as {
        executed: number;
        success: boolean;
        unstable: boolean;
      };
      return { executed, success, failure: unstable ? FAILURE.failed : FAILURE.none };
    } catch (error) {
      if (!(error instanceof WorkerLost)) throw error;
      this.#replace(slot, error);
      return { executed: 0, success: false, failure: FAILURE.lost };
    }
  }

  #replace(slot: Slot, lost: WorkerLost): void {
    if (this.#ended) throw lost;
    this.workersLost += 1;
    const warn = this.#options.warn ?? ((text) => process.stderr.write(`${text}\n`));
    warn(
      `a worker of the original is lost (${lost.message}) in task ${slot.task}, ` +
        `trial ${slot.trial}: a new one is started, the episode is discarded`,
    );
    slot.worker = startWorker(this.#options, slot.env);
  }

  #show(): BackendObservation {
    const size = this.#options.pictureSize ?? DEFAULT_PICTURE;
    const bytes = size * size * 3;
    const count = this.numEnvs;
    const images: Record<string, Tensor<'uint8'>> = {};
    for (const [row, camera] of CAMERAS.entries()) {
      const pictures = new Uint8Array(count * bytes);
      for (const [env, { worker }] of this.#slots.entries()) {
        worker.read(pictures.subarray(env * bytes, (env + 1) * bytes), row * bytes);
      }
      images[camera] = Tensor.from(this.#runtime, pictures, [count, size, size, 3]);
    }
    const states = new Float64Array(count * STATE_DIM);
    const raw = new Uint8Array(states.buffer);
    const stateBytes = STATE_DIM * 8;
    for (const [env, { worker }] of this.#slots.entries()) {
      const target = raw.subarray(env * stateBytes, (env + 1) * stateBytes);
      worker.read(target, CAMERAS.length * bytes);
    }
    const state = Tensor.from<'float32'>(this.#runtime, Float32Array.from(states), [
      count,
      STATE_DIM,
    ]);
    return { images, state };
  }
}

const DEFAULT_PICTURE = 256;
/** A worker imports for seconds and compiles for seconds; on a busy machine ten times that. */
const DEFAULT_PATIENCE = { start: 300_000, command: 300_000 };

function startWorker(options: LiberoPythonOptions, env: number): LineWorker {
  const { suite, numEnvs, seed = 0, pictureSize = DEFAULT_PICTURE } = options;
  const program = options.python ?? join(liberoHome(), 'venv', 'bin', 'python');
  if (!existsSync(program)) {
    throw new EnvironmentSetupError(
      'ERR_DSRL_LIBERO_PYTHON',
      `there is no Python with the original LIBERO: no ${program}`,
      { hint: 'type: dsrl-native libero setup' },
    );
  }
  const script = options.workerScript ?? join(packageRoot(), 'python', 'libero', 'worker.py');
  const ownSeed = `${seed * numEnvs + env}`;
  const choice = ['--suite', suite, '--seed', ownSeed, '--picture-size', `${pictureSize}`];
  return new LineWorker({
    program,
    words: ['-W', 'ignore', script, ...choice, '--memory'],
    memoryBytes: CAMERAS.length * pictureSize * pictureSize * 3 + STATE_DIM * 8,
    patience: options.patience ?? DEFAULT_PATIENCE,
  });
}

function cannotStart(error: WorkerLost, said: string, { suite }: LiberoPythonOptions): Error {
  const stated = said.split('\n').find((line) => line.startsWith('{"code"'));
  if (stated !== undefined) {
    const { code, message, hint } = JSON.parse(stated) as Record<
      'code' | 'message' | 'hint',
      string
    >;
    return new EnvironmentSetupError(code as `ERR_DSRL_${string}`, message, { hint });
  }
  return new RuntimeFailure(
    'ERR_DSRL_LIBERO_WORKER',
    `a worker of the original (${suite}) does not start: ${error.message}`,
    { hint: `its last words:\n${said}`, cause: error },
  );
}

/** The answer, unless it says that the command failed. */
function accept(answer: Answer): Answer {
  if (answer.error === undefined) return answer;
  throw new RuntimeFailure('ERR_DSRL_LIBERO_WORKER', `the original failed: ${answer.error}`, {
    hint: 'look at the environment, then go on from the last checkpoint with --resume last',
  });
}

/** For each environment the rows of its actions that it is to execute. */
function rowsOf(
  values: Float32Array | Float64Array,
  envs: number,
  chunk: number,
  limit: Int32Array,
): number[][][] {
  return Array.from({ length: envs }, (_, env) => {
    const count = limit[env] as number;
    if (count < 0 || count > chunk) throw outOfRange('limit', count, chunk + 1);
    return Array.from({ length: count }, (_, step) => {
      const from = (env * chunk + step) * ACTION_DIM;
      const row = Array.from(values.subarray(from, from + ACTION_DIM));
      if (row.every(Number.isFinite)) return row;
      throw new UsageError(
        'ERR_DSRL_ACTIONS',
        `action ${step} of environment ${env} is not finite: nothing was stepped`,
        { hint: 'look at the policy and at the noise that it was given' },
      );
    });
  });
}

function outOfRange(what: string, value: number, count: number): UsageError {
  return new UsageError('ERR_DSRL_ENV_INPUT', `there is no ${what} ${value}`, {
    hint: `0 to ${count - 1} are there`,
  });
}
