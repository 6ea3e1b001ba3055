import { readFileSync, statSync } from 'node:fs';
import { AppendFile, opening, replaceFile } from './files.js';

/** One line of metrics.jsonl. `step` is the global step, counted from 0. */
export type MetricsRow = { step: number } & Record<string, number>;

/**
 * metrics.jsonl: one JSON object a line, one line a global step.
 *
 * JSON has no NaN and no infinities; they are written as null, as JSON.stringify does. A reader
 * that finds null knows that the value was not finite; the event file tells which it was.
 */
export class MetricsLog {
  /** Lines that `open` took out: those of `resumeStep` and later, and damaged ones. */
  readonly dropped: number;
  readonly #file: AppendFile;

  private constructor(file: AppendFile, dropped: number) {
    this.#file = file;
    this.dropped = dropped;
  }

  /**
   * Opens `path` for appending. What a crash left is put right first: a torn last line goes (the
   * next object would be glued to it), and with `resumeStep` so do the lines of that step and
   * later, which the resumed run writes again. The file is replaced in one rename, so a crash
   * during the repair leaves the old file whole.
   *
   * @throws EnvironmentSetupError ERR_DSRL_LOG_UNWRITABLE
   */
  static open(path: string, options: { resumeStep?: number | undefined } = {}): MetricsLog {
    const dropped = opening(path, () => repair(path, options.resumeStep ?? Infinity));
    return new MetricsLog(new AppendFile(path), dropped);
  }

  /** Appends one line. @throws RuntimeFailure ERR_DSRL_LOG_WRITE */
  write(row: MetricsRow): void {
    this.#file.append(Buffer.from(`${JSON.stringify(row)}\n`));
  }

  /** Makes what has been written survive a power failure. */
  flush(): Promise<void> {
    return this.#file.flush();
  }

  /** Flushes and closes; a second call does nothing. */
  close(): void {
    this.#file.close();
  }
}

/** Rewrites `path` without the lines that must go, if there are any; returns how many. */
function repair(path: string, resumeStep: number): number {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return 0;
  const text = readFileSync(path, 'utf8');
  const lines = text.split('\n');
  if (lines.at(-1) === '') lines.pop();
  const kept = lines.filter((line) => stepOf(line) < resumeStep);
  const repaired = kept.map((line) => `${line}\n`).join('');
  if (repaired !== text) replaceFile(path, repaired);
  return lines.length - kept.length;
}

/** The line's step; Infinity, which is never kept, for a line that is no row of metrics. */
function stepOf(line: string): number {
  try {
    const row: unknown = JSON.parse(line);
    if (typeof row !== 'object' || row === null || !('step' in row)) return Infinity;
    return typeof row.step === 'number' ? row.step : Infinity;
  } catch {
    return Infinity;
  }
}
