import { formatCount, mean } from './format.js';

/** A point of the learning curve. Rows of `Progress.step` fit as they are. */
export interface CurvePoint {
  /** Environment steps at this point. */
  envSteps: number;
  /** Success of training episodes, 0..1; NaN or absent where none has ended. */
  success?: number | undefined;
  /** Success of an evaluation made at this point, 0..1. */
  evalSuccess?: number | undefined;
}

export interface CurveSize {
  /** Columns of the whole picture, labels included; at least 32. */
  width: number;
  /** Rows of the plot itself, without the axis and the legend; at least 3. */
  height: number;
  /** Only characters of ASCII. */
  ascii?: boolean | undefined;
}

/** Columns of a label such as `100%`, a blank and the y axis. */
const MARGIN = 6;

/**
 * The learning curve as text: success (0 to 100 %) over environment steps, training as a line,
 * evaluations as dots on top of it. The training line is a moving mean over a twentieth of the
 * points, so that the noise of single rollouts does not fill the plot.
 *
 * @returns `height` + 3 lines, none wider than `width`; none at all where there is nothing to plot.
 */
export function plotCurve(points: readonly CurvePoint[], size: CurveSize): string[] {
  const training = smooth(seriesOf(points, (point) => point.success));
  const evaluation = seriesOf(points, (point) => point.evalSuccess);
  if (training.length === 0 && evaluation.length === 0) return [];

  const columns = Math.max(32, Math.floor(size.width)) - MARGIN;
  const rows = Math.max(3, Math.floor(size.height));
  const right = Math.max(1, ...[...training, ...evaluation].map((point) => point.x));
  const columnOf = (x: number) => Math.round((x / right) * (columns - 1));
  const rowOf = (y: number) => Math.round((1 - Math.min(Math.max(y, 0), 1)) * (rows - 1));

  const cells = Array.from({ length: rows }, () => new Array<string>(columns).fill(' '));
  drawLine(cells, columnHeights(training, columns, columnOf).map(rowOf));
  for (const { x, y } of evaluation) put(cells, rowOf(y), columnOf(x), '●');

  const labels = new Map([
    [0, '100%'],
    [
      Math.round((rows - 1) / 2),
      `${Math.round(100 - (100 * Math.round((rows - 1) / 2)) / (rows - 1))}%`,
    ],
    [rows - 1, '0%'],
  ]);
  const lines = cells.map((row, index) => {
    const label = labels.get(index);
    return `${(label ?? '').padStart(4)} ${label === undefined ? '│' : '┤'}${row.join('')}`;
  });
  lines.push(`${' '.repeat(5)}└${'─'.repeat(columns)}`);
  lines.push(' '.repeat(MARGIN) + axisLabels(right, columns));
  const legend = [
    training.length > 0 ? '── training' : '',
    evaluation.length > 0 ? '● evaluation' : '',
  ].filter((entry) => entry !== '');
  lines.push(' '.repeat(MARGIN) + legend.join('   '));
  return lines.map((line) => (size.ascii ? toAscii(line) : line).slice(0, size.width).trimEnd());
}

interface Point {
  x: number;
  y: number;
}

function seriesOf(
  points: readonly CurvePoint[],
  value: (point: CurvePoint) => number | undefined,
): Point[] {
  return points
    .map((point) => ({ x: point.envSteps, y: value(point) ?? Number.NaN }))
    .filter(({ x, y }) => Number.isFinite(x) && x >= 0 && Number.isFinite(y))
    .sort((a, b) => a.x - b.x);
}

/** A centred moving mean; near the ends the window shrinks on both sides, so nothing lags. */
function smooth(series: readonly Point[]): Point[] {
  const reach = Math.floor(series.length / 40);
  return series.map(({ x }, index) => {
    const span = Math.min(reach, index, series.length - 1 - index);
    const window = series.slice(index - span, index + span + 1);
    return { x, y: mean(window.map((point) => point.y)) };
  });
}

/**
 * The line's height in each column from the first point's to the last one's: the mean of the
 * points that fall into the column, straight lines between. NaN outside.
 */
function columnHeights(
  series: readonly Point[],
  columns: number,
  columnOf: (x: number) => number,
): number[] {
  const inColumn = Array.from({ length: columns }, (): number[] => []);
  for (const { x, y } of series) inColumn[columnOf(x)]?.push(y);
  const heights = inColumn.map(mean);
  let known = -1;
  heights.forEach((height, column) => {
    if (Number.isNaN(height)) return;
    const from = heights[known];
    for (let gap = known + 1; from !== undefined && gap < column; gap++) {
      heights[gap] = from + ((height - from) * (gap - known)) / (column - known);
    }
    known = column;
  });
  return heights;
}

/** Joins one row a column by box characters; a jump becomes a vertical stroke in its column. */
function drawLine(cells: string[][], rowAt: readonly number[]): void {
  rowAt.forEach((row, column) => {
    if (Number.isNaN(row)) return;
    const before = rowAt[column - 1];
    if (before === undefined || Number.isNaN(before) || before === row) {
      put(cells, row, column, '─');
      return;
    }
    const rising = row < before; // row 0 is the top
    put(cells, before, column, rising ? '╯' : '╮');
    put(cells, row, column, rising ? '╭' : '╰');
    for (let between = Math.min(row, before) + 1; between < Math.max(row, before); between++) {
      put(cells, between, column, '│');
    }
  });
}

function put(cells: string[][], row: number, column: number, character: string): void {
  const cellsOfRow = cells[row];
  if (cellsOfRow !== undefined && column < cellsOfRow.length) cellsOfRow[column] = character;
}

/** `0`, the middle where there is room, and the end with the axis's name. */
function axisLabels(right: number, columns: number): string {
  const end = `${formatCount(right)} env steps`;
  const middle = formatCount(right / 2);
  const middleAt = Math.round(columns / 2 - middle.length / 2);
  const first = middleAt + middle.length + 2 < columns - end.length ? middle : '';
  return `0${' '.repeat(middleAt - 1)}${first}`.padEnd(columns - end.length) + end;
}

function toAscii(line: string): string {
  const replacements: Record<string, string> = {
    '─': '-',
    '│': '|',
    '┤': '+',
    '└': '+',
    '╭': '.',
    '╮': '.',
    '╯': "'",
    '╰': "'",
    '●': 'o',
  };
  return Array.from(line, (character) => replacements[character] ?? character).join('');
}
