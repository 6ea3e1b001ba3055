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
  RobotStart,
  RobotStep,
} from './robot.js';
import { copyOf, type ReadingShape, toBatch, whyUnusable } from './robot-reading.js';
import { RobotRest } from './robot-rest.js';

export interface RobotBackendOptions extends ReadingShape {
  runtime: Runtime;
  actionDim: number;
  numTrials: number;
  /** How long one step may take, in milliseconds. */
  stepDeadlineMs: number;
  /** How long bringing the robot to rest may take, in milliseconds. */
  stopDeadlineMs: number;
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
  private readonly signal: AbortSignal;
  private readonly motion: RobotRest;
  private reading: RobotReading | null = null;
  private lastTime = Number.NEGATIVE_INFINITY;
  private gate: { opened: Promise<void>; open(): void } | null = null;
  private pausedMs = 0;
  /** A chunk or a reset is under way, which brings the robot to rest itself. */
  private asked = false;

  constructor(
    private readonly robot: RobotEnvironment,
    private readonly options: RobotBackendOptions,
  ) {
    this.numTasks = robot.prompts?.length ?? 1;
    this.numTrials = options.numTrials;
    this.actionDim = options.actionDim;
    this.signal = options.signal ?? new AbortController().signal;
    this.motion = new RobotRest(robot, options.stopDeadlineMs, (fault) => this.tell(fault));
    // Between chunks nobody else would stop it before the checkpoint is written.
    const rest = () => {
      if (!this.asked) void this.motion.stop();
    };
    this.signal.addEventListener('abort', rest, { once: true });
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

  /** Time that was waited for `resume`, in seconds. */
  get pausedSeconds(): number {
    return this.pausedMs / 1000;
  }

  /**
   * Brings the robot to rest at the end of a training.
   *
   * @throws RuntimeFailure ERR_DSRL_ENVIRONMENT if it may still be moving
   */
  async end(): Promise<void> {
    await this.motion.stop();
    this.motion.requireRest();
  }

  async restore(_env: number, task: number, trial: number): Promise<void> {
    this.asked = true;
    try {
      await this.begin(task, trial);
    } finally {
      this.asked = false;
    }
  }

  private async begin(task: number, trial: number): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      await this.waitAtGate();
      if (this.signal.aborted) return this.giveUpReset();
      this.motion.refuseHanging();
      const cause = await this.reset({ task, trial });
      if (cause === null) return;
      // A reset that was given up may fail because of that.
      if (this.signal.aborted) return this.giveUpReset();
      await this.motion.stop();
      const message = reasonOf(cause);
      this.tell({ kind: 'error', message: `reset: ${message}` });
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

  /** One try; null, or what was wrong with it. */
  private async reset(start: RobotStart): Promise<unknown> {
    const { signal } = this;
    try {
      const reading = await unlessAborted(this.robot.reset(start, { signal }), signal);
      if (signal.aborted) return new Error('training was stopped during a reset');
      const problem = whyUnusable(reading, this.options);
      if (problem !== null) return new Error(problem);
      this.reading = copyOf(reading as RobotReading, this.options);
      this.lastTime = Number.NEGATIVE_INFINITY;
      return null;
    } catch (error) {
      return error ?? new Error(String(error));
    }
  }

  /**
   * Training is being stopped: the robot rests, and the loop above ends at the border of its chunk.
   * A run that is resumed begins with a reset.
   */
  private async giveUpReset(): Promise<void> {
    await this.motion.stop();
    if (this.reading === null) this.signal.throwIfAborted(); // there is nothing to observe
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
    this.asked = true;
    let fault = await this.pausedFault();
    while (fault === null && executed < steps && success[executed - 1] !== 1) {
      const action = values.slice(executed * this.actionDim, (executed + 1) * this.actionDim);
      const outcome = await this.step(action);
      if ('fault' in outcome) {
        fault = outcome.fault;
      } else {
        this.reading = copyOf(outcome.answer, this.options);
        success[executed] = outcome.answer.success === true ? 1 : 0;
        executed += 1;
      }
    }
    if (fault !== null) {
      await this.motion.stop();
      this.tell(fault);
    }
    this.asked = false;
    return {
      observation: this.observe(),
      success,
      executed: Int32Array.of(executed),
      failure: Int32Array.of(failureOf(fault)),
    };
  }

  /** One action; a fault instead of an answer that cannot be used. */
  private async step(action: Float32Array): Promise<Outcome> {
    const { signal } = this;
    const { stepDeadlineMs } = this.options;
    const fault = (kind: RobotFaultKind, message: string) => ({ fault: { kind, message } });
    const stopped = fault('stopped', 'training was stopped during a step');
    if (signal.aborted) return stopped; // the robot is not asked for a motion any more
    const late = fault('late', `no answer within ${stepDeadlineMs} ms`);
    const given = new AbortController();
    const began = performance.now();
    let timer: NodeJS.Timeout | undefined;
    let stop = () => {};
    // Whichever comes first decides; an answer that comes after it is nobody's.
    const broken = new Promise<Outcome>((resolve) => {
      timer = setTimeout(() => resolve(late), stepDeadlineMs);
      stop = () => resolve(stopped);
      signal.addEventListener('abort', stop, { once: true });
    });
    try {
      const answered = Promise.resolve(this.robot.step(action, { signal: given.signal })).then(
        (answer): Outcome => ({ answer }),
      );
      answered.catch(() => {}); // a failure after the deadline is nobody's either
      const first = await Promise.race([answered, broken]);
      if ('fault' in first) return first;
      // The timer does not run while a robot's own code holds the event loop.
      if (performance.now() - began > stepDeadlineMs) return late;
      const problem = this.judge(first.answer);
      return problem === null ? first : { fault: problem };
    } catch (error) {
      return signal.aborted ? stopped : fault('error', reasonOf(error));
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', stop);
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
    await this.motion.stop();
    await this.waitAtGate();
    return { kind: 'paused', message: 'training was paused during the episode' };
  }

  private async waitAtGate(): Promise<void> {
    const began = performance.now();
    // Paused anew before this goes on, it is paused.
    while (this.gate !== null && !this.signal.aborted) {
      await unlessAborted(this.gate.opened, this.signal);
    }
    this.pausedMs += performance.now() - began;
  }

  private tell(fault: RobotFault): void {
    this.options.onFault?.(fault);
  }
}

/** What somebody wanted is no sign of a broken robot, however often it comes in a row. */
function failureOf(fault: RobotFault | null): number {
  if (fault === null) return FAILURE.none;
  const wanted = fault.kind === 'paused' || fault.kind === 'stopped';
  return wanted ? FAILURE.interrupted : FAILURE.lost;
}

/** What a promise brings, or null as soon as the signal is aborted. */
async function unlessAborted<T>(promise: Promise<T> | T, signal: AbortSignal): Promise<T | null> {
  let abort = () => {};
  const aborted = new Promise<null>((resolve) => {
    abort = () => resolve(null);
  });
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}
