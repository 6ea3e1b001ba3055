import { join } from 'node:path';
import { UsageError } from '../errors.js';
import { type Abortable, abortable } from '../signal.js';
import { MetricsLog } from './jsonl.js';
import { EventWriter } from './tfevents.js';

/** What one global step reports. */
export interface StepMetrics {
  /** The global step, counted from 0. */
  step: number;
  /** Environment steps since the run began, over all environments. */
  envSteps: number;
  /** Action chunks since the run began. */
  chunks: number;
  /** Learner updates since the run began. */
  updates: number;
  /** Seconds of training since the run began, over all its resumptions. */
  seconds: number;
  /** Every other metric by its tag, for example `train/sac/critic_loss`. */
  tags: Readonly<Record<string, number>>;
}

/**
 * A run folder's metrics: each global step goes to `metrics.jsonl` (`step`, the four axes
 * `env_steps`, `chunks`, `updates`, `seconds`, then every tag as a key) and to `tensorboard/`.
 * The axes are tags too, `axis/*`, so that TensorBoard can show any curve against any of them.
 */
export class RunLog {
  /** Lines of an earlier attempt that a resumed run has taken out of metrics.jsonl. */
  readonly dropped: number;
  readonly #lines: MetricsLog;
  readonly #events: EventWriter | null;
  readonly #now: () => number;

  private constructor(lines: MetricsLog, events: EventWriter | null, now: () => number) {
    this.#lines = lines;
    this.#events = events;
    this.#now = now;
    this.dropped = lines.dropped;
  }

  /**
   * Opens both logs in `runDir`.
   *
   * @param options.events False: no TensorBoard events.
   * @param options.resumeStep The first global step that this process will write; what an earlier
   *   attempt logged at that step and later is dropped from both logs.
   * @param options.now The wall clock in milliseconds since 1970.
   * @throws EnvironmentSetupError ERR_DSRL_LOG_UNWRITABLE
   */
  static open(
    runDir: string,
    options: {
      events?: boolean | undefined;
      resumeStep?: number | undefined;
      now?: (() => number) | undefined;
    } = {},
  ): RunLog {
    const lines = MetricsLog.open(join(runDir, 'metrics.jsonl'), options);
    try {
      const events =
        options.events === false ? null : EventWriter.open(join(runDir, 'tensorboard'), options);
      return new RunLog(lines, events, options.now ?? Date.now);
    } catch (error) {
      lines.close();
      throw error;
    }
  }

  /**
   * @throws UsageError ERR_DSRL_LOG_TAG for a tag that would replace one of the axes
   * @throws RuntimeFailure ERR_DSRL_LOG_WRITE
   */
  write(metrics: StepMetrics): void {
    const { step, tags } = metrics;
    const axes = {
      env_steps: metrics.envSteps,
      chunks: metrics.chunks,
      updates: metrics.updates,
      seconds: metrics.seconds,
    };
    const axisTags = Object.fromEntries(
      Object.entries(axes).map(([name, value]) => [`axis/${name}`, value]),
    );
    for (const name of ['step', ...Object.keys(axes), ...Object.keys(axisTags)]) {
      if (!Object.hasOwn(tags, name)) continue;
      const message = `the tag ${name} is one that the log writes itself`;
      const hint = `give the metric another name, for example custom/${name.replace('axis/', '')}`;
      throw new UsageError('ERR_DSRL_LOG_TAG', message, { hint });
    }
    const allTags = { ...tags, ...axisTags };
    this.#events?.scalars(step, this.#now() / 1000, allTags);
    this.#lines.write({ step, ...axes, ...allTags });
  }

  /**
   * Makes both logs survive a power failure. Call it before a checkpoint is renamed into place. An
   * abort rejects once both are flushed.
   */
  flush({ signal }: Abortable = {}): Promise<void> {
    return abortable(signal, async () => {
      await this.#events?.flush();
      await this.#lines.flush();
    });
  }

  /** Flushes and closes both; a second call does nothing. */
  close(): void {
    this.#events?.close();
    this.#lines.close();
  }
}
