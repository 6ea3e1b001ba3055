import { stripVTControlCharacters } from 'node:util';
import { formatCount, formatDuration, formatNumber, formatPercent } from './format.js';
import type { Clock, EvaluationRow, Phase, Progress, StepRow } from './progress.js';
import { type Paint, painter } from './terminal.js';

/** The figures of a step as one line; those that are not known are left out. */
export function stepText(row: StepRow): string {
  const parts = [
    `step ${row.step}/${row.totalSteps}`,
    `success ${formatPercent(row.success)}`,
    `return ${formatNumber(row.return)}`,
    `length ${formatNumber(row.episodeLength)}`,
    row.evalSuccess === undefined ? '' : `eval ${formatPercent(row.evalSuccess)}`,
    `env steps ${formatCount(row.envSteps)} (${formatNumber(row.envStepsPerSecond)}/s)`,
    `updates ${formatCount(row.updates)} (${formatNumber(row.updatesPerSecond)}/s)`,
    row.entropy === undefined ? '' : `entropy ${formatNumber(row.entropy)}`,
    row.alpha === undefined ? '' : `alpha ${formatNumber(row.alpha)}`,
    `elapsed ${formatDuration(row.secondsElapsed)}`,
    `left ${formatDuration(row.secondsLeft)}`,
  ];
  return parts.filter((part) => part !== '').join('  ');
}

/** The outcome of an evaluation as one line, with its 95 % interval where there is one. */
export function evaluationText(row: EvaluationRow): string {
  const { low, high } = row;
  const interval =
    low === undefined || high === undefined
      ? ''
      : ` (${(low * 100).toFixed(1)}-${(high * 100).toFixed(1)})`;
  const parts = [
    `eval at step ${row.step}`,
    `success ${formatPercent(row.success)}${interval}`,
    `${formatCount(row.episodes)} episodes`,
    `return ${formatNumber(row.return)}`,
  ];
  return parts.join('  ');
}

export interface LineOptions {
  /** Takes one line, without its end. */
  write(line: string): void;
  clock: Clock;
  /** Milliseconds between the lines of two steps. */
  interval: number;
  paint?: Paint | undefined;
  /** Warnings only. */
  quiet?: boolean | undefined;
}

/** Plain lines, for pipes, CI and run.log. */
export class LineReporter implements Progress {
  readonly #options: LineOptions;
  readonly #paint: Paint;
  #lastStepAt = -Infinity;
  /** A step that came too soon to be shown; it is if it turns out to be the last. */
  #held: StepRow | undefined;

  constructor(options: LineOptions) {
    this.#options = options;
    this.#paint = options.paint ?? painter(false);
  }

  notice(text: string): void {
    if (!this.#options.quiet) this.#lines(text);
  }

  warn(text: string): void {
    this.#lines(this.#paint('yellow', `warning: ${text}`));
  }

  phase(_name: Phase): void {}

  step(row: StepRow): void {
    const { clock, interval } = this.#options;
    const due = clock.now() - this.#lastStepAt >= interval || row.step >= row.totalSteps;
    this.#held = due ? undefined : row;
    if (!due) return;
    this.#lastStepAt = clock.now();
    this.notice(stepText(row));
  }

  evaluation(row: EvaluationRow): void {
    this.notice(evaluationText(row));
  }

  checkpoint(path: string): void {
    this.notice(`checkpoint ${path}`);
  }

  finish(summary: readonly string[]): void {
    this.stop();
    for (const line of summary) this.notice(line);
  }

  stop(): void {
    if (this.#held !== undefined) this.notice(stepText(this.#held));
    this.#held = undefined;
  }

  #lines(text: string): void {
    for (const line of text.split('\n')) this.#options.write(line);
  }
}

/** One JSON object a line: {t, lvl, event, ...}, keys as in metrics.jsonl, null where unknown. */
export class JsonReporter implements Progress {
  readonly #write: (line: string) => void;
  readonly #clock: Clock;

  constructor(options: { write(line: string): void; clock: Clock }) {
    this.#write = options.write;
    this.#clock = options.clock;
  }

  notice(text: string): void {
    this.#event('info', 'notice', { text: stripVTControlCharacters(text) });
  }

  warn(text: string): void {
    this.#event('warn', 'warning', { text: stripVTControlCharacters(text) });
  }

  phase(name: Phase): void {
    this.#event('info', 'phase', { name });
  }

  step(row: StepRow): void {
    this.#event('info', 'step', row);
  }

  evaluation(row: EvaluationRow): void {
    this.#event('info', 'evaluation', row);
  }

  checkpoint(path: string): void {
    this.#event('info', 'checkpoint', { path });
  }

  finish(summary: readonly string[]): void {
    this.#event('info', 'finish', { summary });
  }

  stop(): void {}

  #event(lvl: 'info' | 'warn', event: string, fields: object): void {
    const named = Object.entries(fields).map(([key, value]) => [snakeCase(key), value]);
    const t = this.#clock.date().toISOString();
    this.#write(JSON.stringify({ t, lvl, event, ...Object.fromEntries(named) }));
  }
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
