import { formatCount, formatDuration, formatNumber, formatPercent, sparkline } from './format.js';
import type { Clock, EvaluationRow, Phase, Progress, StepRow } from './progress.js';
import { evaluationText } from './progress-lines.js';
import type { TextStream } from './terminal.js';
import { cutSpans, type Glyphs, type Paint, type Span, spansWidth } from './terminal.js';

const FRAME_MS = 100;
/** A wider block is harder to read, and wraps when somebody narrows the window. */
const WIDEST = 100;

export interface TerminalOptions extends Glyphs {
  stream: TextStream;
  clock: Clock;
  paint: Paint;
  totalSteps: number;
}

/**
 * One status block at the bottom of a terminal; lines that stay are printed above it.
 *
 * Between drawings the cursor stands, visible, on the line below the block. A drawing goes up,
 * overwrites and comes back in a single write that also hides and shows the cursor. So there is
 * nothing to restore when the process dies, however it dies, and an error message prints below
 * the block instead of through it.
 */
export class TerminalReporter implements Progress {
  readonly #options: TerminalOptions;
  readonly #startedAt: number;
  readonly #cancelTimer: () => void;
  readonly #successes: number[] = [];
  #phase: Phase = 'setup';
  #row: StepRow | undefined;
  #rowAt = 0;
  #drawnAt = -Infinity;
  /** Widths of the block's lines as they stand on the screen. */
  #drawn: number[] = [];
  #stopped = false;

  constructor(options: TerminalOptions) {
    this.#options = options;
    this.#startedAt = options.clock.now();
    this.#cancelTimer = options.clock.every(FRAME_MS, () => this.#refresh());
  }

  notice(text: string): void {
    this.#print(text);
  }

  warn(text: string): void {
    this.#print(this.#options.paint('yellow', `warning: ${text}`));
  }

  phase(name: Phase): void {
    this.#phase = name;
    this.#refresh();
  }

  step(row: StepRow): void {
    this.#row = row;
    this.#rowAt = this.#options.clock.now();
    this.#successes.push(row.success);
    this.#refresh();
  }

  evaluation(row: EvaluationRow): void {
    this.#print(evaluationText(row));
  }

  checkpoint(path: string): void {
    this.#print(this.#options.paint('dim', `checkpoint ${path}`));
  }

  finish(summary: readonly string[]): void {
    this.stop();
    if (summary.length > 0) this.#options.stream.write(`\n${summary.join('\n')}\n`);
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#cancelTimer();
    this.#draw('');
    this.#drawn = [];
  }

  #print(text: string): void {
    if (this.#stopped) this.#options.stream.write(`${text}\n`);
    else this.#draw(`${text}\n`);
  }

  #refresh(): void {
    if (this.#options.clock.now() - this.#drawnAt >= FRAME_MS) this.#draw('');
  }

  /** Replaces the block on the screen by `above` and the block as it is now. */
  #draw(above: string): void {
    const { stream, clock, paint } = this.#options;
    this.#drawnAt = clock.now();
    // One column stays free: a full line would leave some terminals waiting to wrap.
    const columns = stream.columns || 80;
    const width = Math.min(columns - 1, WIDEST);
    const lines = this.#block(width)
      .slice(0, Math.max(1, (stream.rows || 24) - 1)) // cursor movement stops at the upper edge
      .map((line) => cutSpans(line, width));

    // A terminal that has been narrowed since the last drawing has wrapped that drawing's lines.
    const rows = this.#drawn.reduce(
      (sum, drawn) => sum + Math.max(1, Math.ceil(drawn / columns)),
      0,
    );
    const up = rows > 0 ? `\x1b[${rows}A\r` : '\r';
    const text = above.replaceAll('\n', '\x1b[K\n');
    const block = lines.map((line) => {
      return `${line.map((span) => paint(span.style, span.text)).join('')}\x1b[K\n`;
    });
    stream.write(`\x1b[?25l${up}${text}${block.join('')}\x1b[J\x1b[?25h`);
    this.#drawn = lines.map(spansWidth);
  }

  #block(width: number): Span[][] {
    const row = this.#row;
    const gap: Span[] = [];
    if (row === undefined) return [gap, this.#header(width)];
    return [gap, this.#header(width), this.#success(row, width), ...figures(row, width)];
  }

  /** Spinner, phase, bar, steps and times. */
  #header(width: number): Span[] {
    const { clock, spinner, bar, barRest } = this.#options;
    const row = this.#row;
    const now = clock.now();
    const sinceRow = row === undefined || this.#stopped ? 0 : (now - this.#rowAt) / 1000;
    const elapsed =
      row === undefined ? (now - this.#startedAt) / 1000 : row.secondsElapsed + sinceRow;
    const left = row === undefined ? Number.NaN : Math.max(0, row.secondsLeft - sinceRow);
    const step = row?.step ?? 0;
    const total = row?.totalSteps ?? this.#options.totalSteps;

    const frame = this.#stopped ? ' ' : spinner.charAt(Math.floor(now / FRAME_MS) % spinner.length);
    const head: Span[] = [
      { text: ` ${frame} `, style: 'cyan' },
      { text: (this.#stopped ? this.#outcome() : this.#phase).padEnd(11), style: 'bold' },
    ];
    const tail: Span[] = [{ text: ` ${step}/${total}` }];
    if (width >= 60) tail.push({ text: `  ${formatDuration(elapsed)}`, style: 'dim' });
    if (!this.#stopped) tail.push({ text: `  ${formatDuration(left)} left` });

    const room = Math.max(0, width - spansWidth(head) - spansWidth(tail));
    const done = Math.round(room * Math.min(1, total > 0 ? step / total : 0));
    return [
      ...head,
      { text: bar.repeat(done), style: 'green' },
      { text: barRest.repeat(room - done), style: 'dim' },
      ...tail,
    ];
  }

  #outcome(): string {
    return this.#row !== undefined && this.#row.step >= this.#row.totalSteps ? 'done' : 'stopped';
  }

  /** The success of the last episodes, and its history from the first step to this one. */
  #success(row: StepRow, width: number): Span[] {
    const [label, value] = figure('success', formatPercent(row.success));
    const line: Span[] = [label, { ...value, style: ['bold', 'green'] }, { text: '  ' }];
    const evaluation: Span[] =
      row.evalSuccess === undefined
        ? []
        : [
            { text: '  eval ', style: 'dim' },
            { text: formatPercent(row.evalSuccess), style: ['bold', 'green'] },
          ];
    const room = Math.max(0, width - spansWidth(line) - spansWidth(evaluation));
    const history = sparkline(this.#successes, room, this.#options.levels);
    return [...line, { text: history.padEnd(room), style: 'green' }, ...evaluation];
  }
}

/** Columns of a figure: a gap, its label and its value. */
const GAP = 3;
const LABEL = 9;
const VALUE = 7;
const CELL = GAP + LABEL + VALUE;

/**
 * The figures in pairs: side by side as columns where there is room, else a pair a line, else a
 * figure a line. The choice depends on the width alone, so the block does not jump.
 */
function figures(row: StepRow, width: number): Span[][] {
  const optional = (value: number | undefined) => formatNumber(value ?? Number.NaN);
  const pairs: [Span[], Span[]][] = [
    [figure('return', formatNumber(row.return)), figure('length', formatNumber(row.episodeLength))],
    [
      figure('env steps', formatCount(row.envSteps)),
      figure('steps/s', formatNumber(row.envStepsPerSecond)),
    ],
    [
      figure('updates', formatCount(row.updates)),
      figure('updates/s', formatNumber(row.updatesPerSecond)),
    ],
    [figure('entropy', optional(row.entropy)), figure('alpha', optional(row.alpha))],
  ];
  if (width >= pairs.length * CELL) {
    return [pairs.flatMap(([upper]) => upper), pairs.flatMap(([, lower]) => lower)];
  }
  return width >= 2 * CELL ? pairs.map((pair) => pair.flat()) : pairs.flat();
}

function figure(label: string, value: string): [Span, Span] {
  return [
    { text: ' '.repeat(GAP) + label.padEnd(LABEL), style: 'dim' },
    { text: value.padStart(VALUE) },
  ];
}
