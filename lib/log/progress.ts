import { stripVTControlCharacters } from 'node:util';
import { appendText } from './files.js';
import { JsonReporter, LineReporter } from './progress-lines.js';
import { TerminalReporter } from './progress-terminal.js';
import { type Environment, glyphsFor, painter, type TextStream, wantsColour } from './terminal.js';

/**
 * How progress is shown: by the terminal at hand, as a redrawn block, as lines, as JSON, or not.
 */
export type ProgressFormat = 'auto' | 'tty' | 'plain' | 'json' | 'quiet';

/** What a training is doing. */
export type Phase = 'setup' | 'rollout' | 'learn' | 'evaluate' | 'checkpoint';

/** What a person sees of one global step. A figure that is not known yet is NaN or absent. */
export interface StepRow {
  /** Global steps completed, from 1. */
  step: number;
  totalSteps: number;
  /** Success of the last training episodes, 0..1. */
  success: number;
  /** Mean return of the last training episodes. */
  return: number;
  /** Mean length of the last training episodes, in environment steps. */
  episodeLength: number;
  /** Success of the newest evaluation, 0..1. */
  evalSuccess?: number | undefined;
  envSteps: number;
  envStepsPerSecond: number;
  updates: number;
  updatesPerSecond: number;
  /** The actor's entropy, in nats. */
  entropy?: number | undefined;
  /** The entropy temperature. */
  alpha?: number | undefined;
  secondsElapsed: number;
  secondsLeft: number;
}

/** The outcome of one evaluation. */
export interface EvaluationRow {
  /** Global steps completed; 0 before training. */
  step: number;
  /** Fraction of episodes that succeeded, with its 95 % interval where there is one. */
  success: number;
  low?: number | undefined;
  high?: number | undefined;
  episodes: number;
  return: number;
  episodeLength: number;
  seconds?: number | undefined;
}

/** What a run tells the person who watches it. */
export interface Progress {
  /** A line of information that stays. */
  notice(text: string): void;
  /** A line that stays and stands out. Every format but none shows it, `quiet` too. */
  warn(text: string): void;
  /** What the run is busy with from now on. */
  phase(name: Phase): void;
  /** A global step has ended. */
  step(row: StepRow): void;
  /** An evaluation has ended. */
  evaluation(row: EvaluationRow): void;
  /** A checkpoint is complete, at this path. */
  checkpoint(path: string): void;
  /** The run has ended well: shows its last figures and these lines, then stops. */
  finish(summary: readonly string[]): void;
  /**
   * Ends the drawing on every other way out; call it in a `finally`. What is on the screen stays
   * there, and lines may still follow. A second call does nothing.
   */
  stop(): void;
}

/** The time as the progress needs it; tests bring their own. */
export interface Clock {
  /** Milliseconds that never go back. */
  now(): number;
  /** The wall clock. */
  date(): Date;
  /** Calls `tick` every so many milliseconds until the returned function is called. */
  every(milliseconds: number, tick: () => void): () => void;
}

/** How and where progress is shown. */
export interface ProgressOptions {
  format: ProgressFormat;
  /** Global steps of the run. */
  totalSteps: number;
  /** Where everything goes; stderr unless given, since stdout carries results only. */
  stream?: TextStream | undefined;
  /** A file, the run's `run.log`, that gets the plain lines too, each after its time. */
  file?: string | undefined;
  /** Plain lines show at most one global step in so many seconds (2). */
  interval?: number | undefined;
  env?: Environment | undefined;
  clock?: Clock | undefined;
}

const SYSTEM_CLOCK: Clock = {
  now: () => performance.now(),
  date: () => new Date(),
  every(milliseconds, tick) {
    // Unreferenced: a drawing must never be what keeps a process alive.
    const timer = setInterval(tick, milliseconds).unref();
    return () => clearInterval(timer);
  },
};

/**
 * Creates the progress of one run.
 *
 * `auto` is `tty` on a terminal and `plain` elsewhere and in CI. `tty` keeps one status block at
 * the bottom, redrawn at most ten times a second. `plain` writes a line a global step, at most one
 * in `interval` seconds, the first and the last always. `json` writes one object a line for every
 * event. `quiet` shows warnings only.
 *
 * @throws EnvironmentSetupError ERR_DSRL_LOG_UNWRITABLE if `file` cannot be opened
 */
export function createProgress(options: ProgressOptions): Progress {
  const stream = options.stream ?? process.stderr;
  const env = options.env ?? process.env;
  const clock = options.clock ?? SYSTEM_CLOCK;
  const interval = (options.interval ?? 2) * 1000;
  const paint = painter(wantsColour(stream, env));
  const toStream = (line: string) => void stream.write(`${line}\n`);

  const reporters: Progress[] = [];
  switch (resolveFormat(options.format, stream, env)) {
    case 'tty': {
      const { totalSteps } = options;
      reporters.push(new TerminalReporter({ stream, clock, paint, totalSteps, ...glyphsFor(env) }));
      break;
    }
    case 'json':
      reporters.push(new JsonReporter({ write: toStream, clock }));
      break;
    case 'plain':
      reporters.push(new LineReporter({ write: toStream, clock, paint, interval }));
      break;
    case 'quiet':
      reporters.push(new LineReporter({ write: toStream, clock, paint, interval, quiet: true }));
  }
  const shown = fanOut(reporters);
  return options.file === undefined
    ? shown
    : withRunLog(shown, options.file, { clock, interval: options.interval });
}

/**
 * `progress`, with its plain lines also in a file, the run's `run.log`, each after its time.
 *
 * @throws EnvironmentSetupError ERR_DSRL_LOG_UNWRITABLE if `file` cannot be opened
 */
export function withRunLog(
  progress: Progress,
  file: string,
  options: Pick<ProgressOptions, 'clock' | 'interval'> = {},
): Progress {
  const clock = options.clock ?? SYSTEM_CLOCK;
  appendText(file, ''); // a file that cannot be written is found before the run begins
  const write = (line: string) => {
    const text = stripVTControlCharacters(line);
    appendText(file, `${clock.date().toISOString()} ${text}\n`);
  };
  const interval = (options.interval ?? 2) * 1000;
  return fanOut([progress, new LineReporter({ write, clock, interval })]);
}

function resolveFormat(
  format: ProgressFormat,
  stream: TextStream,
  env: Environment,
): Exclude<ProgressFormat, 'auto'> {
  if (format !== 'auto') return format;
  const inCi = env.CI !== undefined && env.CI !== '' && env.CI !== 'false' && env.CI !== '0';
  return stream.isTTY === true && !inCi && env.TERM !== 'dumb' ? 'tty' : 'plain';
}

function fanOut(reporters: readonly Progress[]): Progress {
  const each = (tell: (reporter: Progress) => void) => {
    for (const reporter of reporters) tell(reporter);
  };
  return {
    notice: (text) => each((reporter) => reporter.notice(text)),
    warn: (text) => each((reporter) => reporter.warn(text)),
    phase: (name) => each((reporter) => reporter.phase(name)),
    step: (row) => each((reporter) => reporter.step(row)),
    evaluation: (row) => each((reporter) => reporter.evaluation(row)),
    checkpoint: (path) => each((reporter) => reporter.checkpoint(path)),
    finish: (summary) => each((reporter) => reporter.finish(summary)),
    stop: () => each((reporter) => reporter.stop()),
  };
}
