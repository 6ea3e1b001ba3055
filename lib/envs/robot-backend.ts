import { RuntimeFailure, reasonOf } from '../errors.js';
import type {
  BackendChunkResult,
  BackendObservation,
  Runtime,
  Tensor,
  VecEnvBackend,
} from '../native/index.js';
import { FAILURE } from './failure.js';
import type {
  RobotEnvironment,
  RobotFault,
  RobotFaultKind,
  RobotReading,
  RobotStep,
} from './robot.js';
import { type ReadingShape, toBatch, whyUnusable } from './robot-reading.js';

export interface RobotBackendOptions extends ReadingShape {
  runtime: Runtime;
  actionDim: number;
  numTrials: number;
  /** How long one step may take, in milliseconds. */
  stepDeadlineMs: number;
  /** Aborted: the step under way is given up, and the robot stopped. */
  signal?: AbortSignal | undefined;
  onFault?: ((fault: RobotFault) => void) | undefined;
}

/** What a step led to; the robot's own fields, whatever they are called, are below `answer`. */
type Outcome = { answer: RobotStep } | { fault: RobotFault };

/** How often in a row a reset may fail. */
const RESETS_ALLOWED = 3;

/** A robot as a batch of one environment. */
export class RobotBackend implements VecEnvBackend {
  readonly numEnvs = 1;
  readonly numTasks: number;
  readonly numTrials: number;
  readonly actionDim: number;
  private reading: RobotReading | null = null;
  private lastTime = Number.NEGATIVE_INFINITY;
  private gate: { opened: Promise<void>; open(): void } | null = null;

  constructor(
    private readonly robot: RobotEnvironment,
    private readonly options: RobotBackendOptions,
  ) {
    this.numTasks = robot.prompts?.length ?? 1;
    this.numTrials = options.numTrials;
    this.actionDim = options.actionDim;
  }

  prompt(task: number): string {
    return this.robot.prompts?.[task] ?? '';
  }

  /** From the next chunk on nothing moves; the episode under way is begun again afterwards. */
  pause(): void {
    if (this.gate !== null) return;
    let open = () => {};
    const opened = new Promise<void>((resolve) => {
      open = resolve;
    });
    this.gate = { opened, open };
  }

  resume(): void {
    this.gate?.open();
    this.gate = null;
  }

  async restore(_env: number, task: number, trial: number): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      await this.waitAtGate();
      const signal = this.options.signal ?? new AbortController().signal;
      if (signal.aborted) return this.giveUpReset(signal);
      let cause: unknown;
      try {
        const reading = await unlessAborted(this.robot.reset({ task, trial }, { signal }), signal);
        if (signal.aborted) return await this.giveUpReset(signal);
        const problem = whyUnusable(reading, this.options);
        if (problem === null) {
          this.reading = reading;
          this.lastTime = Number.NEGATIVE_INFINITY;
          return;
        }
        cause = new Error(problem);
      } catch (error) {
        cause = error;
      }
      await this.robot.stop?.();
      const message = reasonOf(cause);
      this.options.onFault?.({ kind: 'error', message: `reset: ${message}` });
      if (attempt < RESETS_ALLOWED) continue;
      throw new RuntimeFailure(
        'ERR_DSRL_ENVIRONMENT',
        `the robot's reset failed ${attempt} times in a row, at last: ${message}`,
        {
          hint: 'look at the robot, then go on from the last checkpoint with --resume last',
          cause,
        },
      );
    }
  }

  /**
   * Training is being stopped: the robot rests, and the loop above ends at the border of its chunk.
   * A run that is resumed begins with a reset.
   */
  private async giveUpReset(signal: AbortSignal): Promise<void> {
    await this.robot.stop?.();
    if (this.reading === null) signal.throwIfAborted(); // there is nothing to observe
  }

  observe(): BackendObservation {
    if (this.reading !== null) return toBatch(this.options.runtime, this.reading, this.options);
    throw new RuntimeFailure('ERR_DSRL_ENVIRONMENT', 'the robot was observed before its reset', {
      hint: 'call restore first',
    });
  }

  async stepChunk(actions: Tensor, limit: Int32Array): Promise<BackendChunkResult> {
    const chunk = actions.shape[1] ?? 0;
    const success = new Uint8Array(chunk);
    const steps = limit[0] ?? 0;
    const values = Float32Array.from(actions.read() as Float32Array);
    let executed = 0;
    let fault = await this.pausedFault();
    while (fault === null && executed < steps && success[executed - 1] !== 1) {
      const action = values.slice(executed * this.actionDim, (executed + 1) * this.actionDim);
      const outcome = await this.step(action);
      if ('fault' in outcome) {
        fault = outcome.fault;
      } else {
        this.reading = outcome.answer;
        success[executed] = outcome.answer.success === true ? 1 : 0;
        executed += 1;
      }
    }
    if (fault !== null) {
      await this.robot.stop?.();
      this.options.onFault?.(fault);
    }
    const broken = fault?.kind === 'paused' ? FAILURE.interrupted : FAILURE.lost;
    const failure = fault === null ? FAILURE.none : broken;
    return {
      observation: this.observe(),
      success,
      executed: Int32Array.of(executed),
      failure: Int32Array.of(failure),
    };
  }

  /** One action; a fault instead of an answer that cannot be used. */
  private async step(action: Float32Array): Promise<Outcome> {
    const { stepDeadlineMs, signal } = this.options;
    const given = new AbortController();
    const fault = (kind: RobotFaultKind, message: string) => ({ fault: { kind, message } });
    let timer: NodeJS.Timeout | undefined;
    let stop = () => {};
    // Whichever comes first decides; an answer that comes after it is nobody's.
    const broken = new Promise<Outcome>((resolve) => {
      const late = `no answer within ${stepDeadlineMs} ms`;
      timer = setTimeout(() => resolve(fault('late', late)), stepDeadlineMs);
      stop = () => resolve(fault('stopped', 'training was stopped during a step'));
      if (signal?.aborted === true) stop();
      signal?.addEventListener('abort', stop, { once: true });
    });
    try {
      const answered = Promise.resolve(this.robot.step(action, { signal: given.signal })).then(
        (answer): Outcome => ({ answer }),
      );
      answered.catch(() => {}); // a failure after the deadline is nobody's either
      const first = await Promise.race([answered, broken]);
      const problem = 'fault' in first ? null : this.judge(first.answer);
      return problem === null ? first : { fault: problem };
    } catch (error) {
      return fault('error', reasonOf(error));
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
      given.abort();
    }
  }

  private judge(answer: RobotStep): RobotFault | null {
    const problem = whyUnusable(answer, this.options);
    if (problem !== null) return { kind: 'partial', message: problem };
    const { time } = answer;
    if (time === undefined) return null;
    if (!Number.isFinite(time)) return { kind: 'partial', message: `the time is ${time}` };
    if (time <= this.lastTime) {
      const message = `an answer of time ${time} after one of ${this.lastTime}`;
      return { kind: 'stale', message };
    }
    this.lastTime = time;
    return null;
  }

  /** Waits while paused; what happened to the scene meanwhile nobody knows. */
  private async pausedFault(): Promise<RobotFault | null> {
    if (this.gate === null) return null;
    await this.robot.stop?.();
    await this.waitAtGate();
    return { kind: 'paused', message: 'training was paused during the episode' };
  }

  private async waitAtGate(): Promise<void> {
    if (this.gate !== null) await unlessAborted(this.gate.opened, this.options.signal);
  }
}

/** What a promise brings, or null as soon as the signal is aborted. */
async function unlessAborted<T>(
  promise: Promise<T> | T,
  signal: AbortSignal | undefined,
): Promise<T | null> {
  if (signal === undefined) return promise;
  if (signal.aborted) return null;
  let abort = () => {};
  const aborted = new Promise<null>((resolve) => {
    abort = () => resolve(null);
  });
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
