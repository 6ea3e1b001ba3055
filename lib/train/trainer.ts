import { type Config, resolveModelPath, TRIALS_PER_TASK } from '../config/index.js';
import { isDeadline } from '../deadline.js';
import {
  type EpisodeRecord,
  RobotBackend,
  type RobotEnvironment,
  type RobotFault,
} from '../envs/index.js';
import { UsageError } from '../errors.js';
import type { EvaluationRow, Progress, StepRow } from '../log/progress.js';
import { createRuntime, type VecEnvBackend } from '../native/index.js';
import { readContract } from '../policy/index.js';
import { type TrainSummary, train } from './loop.js';

/** What happens in a training, as it happens. */
export type TrainerEvent =
  | ({ type: 'episode' } & EpisodeRecord)
  | ({ type: 'step' } & StepRow)
  | ({ type: 'evaluation' } & EvaluationRow)
  | { type: 'checkpoint'; path: string }
  | ({ type: 'fault' } & RobotFault)
  | { type: 'notice' | 'warning'; message: string };

/** What is trained on, and where the run lies. */
export interface TrainerOptions {
  /** In place of the configured environment: a robot, or a backend of several environments. */
  env?: RobotEnvironment | VecEnvBackend;
  /** How long one step of a robot may take, in milliseconds; default 5,000. */
  stepDeadlineMs?: number;
  /** How long a robot's `stop` may take, in milliseconds; default 30,000. */
  stopDeadlineMs?: number;
  /** The run's folder; made from the configuration's names where absent. */
  runDir?: string;
  /** A run or a checkpoint to go on from. */
  resume?: string;
}

/**
 * Trains an agent, for programs:
 *
 *     const trainer = new Trainer(config, { env: robot });
 *     for await (const event of trainer.run({ signal })) {
 *       if (event.type === 'episode') console.log(event.success);
 *     }
 *
 * Leaving the loop stops the training as an abort does: the robot is brought to rest, a checkpoint
 * of that moment written, and then the loop ends.
 */
export class Trainer {
  private robot: RobotBackend | null = null;
  private running = false;
  private paused = false;

  /**
   * @throws UsageError ERR_DSRL_DEADLINE for a `stepDeadlineMs` or `stopDeadlineMs` that is none
   */
  constructor(
    private readonly config: Config,
    private readonly options: TrainerOptions = {},
  ) {
    const { stepDeadlineMs = 1, stopDeadlineMs = 1 } = options;
    for (const [what, ms] of Object.entries({ step: stepDeadlineMs, stop: stopDeadlineMs })) {
      if (isDeadline(ms)) continue;
      throw new UsageError('ERR_DSRL_DEADLINE', `${ms} ms are no deadline of a ${what}`, {
        hint: 'give a number of milliseconds above 0 and below 2^31, 24 days',
      });
    }
  }

  /**
   * From the next chunk on a robot does not move; updates go on. The episode is begun again. The
   * time until `resume` is in none of the training's.
   */
  pause(): void {
    this.paused = true;
    this.robot?.pause();
  }

  /** Lets a paused robot move again, from a reset on. */
  resume(): void {
    this.paused = false;
    this.robot?.resume();
  }

  /**
   * Trains to the end of the configuration's steps.
   *
   * @returns as the generator's value, the summary of the run
   * @throws the signal's reason once the robot has stopped and the checkpoint is written; whatever
   *   `train` throws; RuntimeFailure ERR_DSRL_ENVIRONMENT for a robot whose `stop` fails at the
   *   end: the run is complete or its checkpoint written, but the robot may be moving
   */
  async *run(
    options: { signal?: AbortSignal } = {},
  ): AsyncGenerator<TrainerEvent, TrainSummary, void> {
    if (this.running) {
      throw new UsageError('ERR_DSRL_TRAINER_RUNNING', 'this trainer is running already', {
        hint: 'end the loop over its events first, or make another Trainer',
      });
    }
    options.signal?.throwIfAborted();
    this.running = true;
    const stop = new AbortController();
    const forward = () => stop.abort(options.signal?.reason);
    options.signal?.addEventListener('abort', forward, { once: true });
    const events = new EventQueue();
    const done = this.train(events, stop.signal);
    done.then(
      () => events.end(),
      () => events.end(),
    );
    try {
      yield* events;
      const summary = await done;
      options.signal?.throwIfAborted();
      return summary;
    } finally {
      // Also when the caller leaves its loop: nothing goes on, or fails, behind its back.
      stop.abort(new Error('the loop over the events was left'));
      try {
        await done;
      } finally {
        options.signal?.removeEventListener('abort', forward);
        this.running = false;
      }
    }
  }

  private async train(events: EventQueue, signal: AbortSignal): Promise<TrainSummary> {
    const { config } = this;
    const { runDir, resume } = this.options;
    const runtime = createRuntime({ device: config.device });
    const backend = this.backend(runtime, events, signal);
    const onEpisode = (episode: EpisodeRecord) => events.push({ type: 'episode', ...episode });
    const progress = eventProgress(events);
    const request = { config, runtime, runDir, resume, signal, progress, backend, onEpisode };
    const [trained] = await Promise.allSettled([train(request)]);
    const [rests] = await Promise.allSettled([this.robot?.end()]);
    this.robot = null;
    if (trained.status === 'fulfilled' || trained.reason === signal.reason) {
      // That it may be moving is more than that the run came to its end, or was to.
      if (rests.status === 'rejected') throw rests.reason;
    }
    if (trained.status === 'rejected') throw trained.reason;
    return trained.value;
  }

  private backend(
    runtime: ReturnType<typeof createRuntime>,
    events: EventQueue,
    signal: AbortSignal,
  ): VecEnvBackend | undefined {
    const { env, stepDeadlineMs = 5_000, stopDeadlineMs = 30_000 } = this.options;
    if (env === undefined || 'stepChunk' in env) return env;
    const policy = readContract(resolveModelPath(this.config));
    this.robot = new RobotBackend(env, {
      runtime,
      cameras: policy.cameras,
      side: policy.image_resize === 'none' ? policy.image_size : null,
      stateDim: policy.state_dim,
      actionDim: policy.action_dim,
      numTrials: TRIALS_PER_TASK,
      stepDeadlineMs,
      stopDeadlineMs,
      signal,
      onFault: (fault) => events.push({ type: 'fault', ...fault }),
    });
    if (this.paused) this.robot.pause();
    return this.robot;
  }
}

function eventProgress(events: EventQueue): Progress {
  return {
    notice: (message) => events.push({ type: 'notice', message }),
    warn: (message) => events.push({ type: 'warning', message }),
    phase: () => {},
    step: (row) => events.push({ type: 'step', ...row }),
    evaluation: (row) => events.push({ type: 'evaluation', ...row }),
    checkpoint: (path) => events.push({ type: 'checkpoint', path }),
    finish: () => {},
    stop: () => {},
  };
}

/** Events that wait for the caller's loop; training does not wait for it. */
class EventQueue implements AsyncIterable<TrainerEvent> {
  private readonly waiting: TrainerEvent[] = [];
  private ended = false;
  private wake = () => {};

  push(event: TrainerEvent): void {
    this.waiting.push(event);
    this.wake();
  }

  end(): void {
    this.ended = true;
    this.wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<TrainerEvent, void, void> {
    for (;;) {
      const event = this.waiting.shift();
      if (event !== undefined) yield event;
      else if (this.ended) return;
      else {
        await new Promise<void>((resolve) => {
          this.wake = resolve;
        });
      }
    }
  }
}
