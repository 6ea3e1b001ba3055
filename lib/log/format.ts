/** Numbers and small pictures as a person reads them: pure functions, a dash for the unknown. */

/** A count: 950, 1,234, 12.3k, 4.57M. */
export function formatCount(value: number): string {
  if (!Number.isFinite(value)) return '-';
  if (Math.abs(value) < 9999.5) return Math.round(value).toLocaleString('en-US');
  for (const [unit, size] of UNITS) {
    if (Math.abs(value) < size * 999.5) return `${(value / size).toPrecision(3)}${unit}`;
  }
  return value.toExponential(2);
}

const UNITS: readonly (readonly [string, number])[] = [
  ['k', 1e3],
  ['M', 1e6],
  ['G', 1e9],
  ['T', 1e12],
];

/** A rate or another measured figure, three digits: 0.0131, 35.2, -85.2; large ones as counts. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return '-';
  const size = Math.abs(value);
  if (size >= 999.5) return formatCount(value);
  if (size > 0 && size < 0.000995) return value.toExponential(1);
  return value === 0 ? '0' : value.toPrecision(3);
}

/** A fraction 0..1: 62.5%. */
export function formatPercent(fraction: number): string {
  return Number.isFinite(fraction) ? `${(fraction * 100).toFixed(1)}%` : '-';
}

/** Seconds: 0:07, 12:05, 3:04:05. */
export function formatDuration(seconds: number): string {
  if (!Number.isFinite(seconds) || seconds < 0) return '-';
  const whole = Math.round(seconds);
  const pad = (value: number) => String(value).padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${pad(whole % 60)}`;
  return `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${pad(whole % 60)}`;
}

/**
 * Fractions 0..1 as one character each, from `levels` (lowest first). More values than `width`
 * are averaged in groups; fewer are drawn as they are. Unknown values are blanks.
 */
export function sparkline(values: readonly number[], width: number, levels: string): string {
  const columns = Math.min(width, values.length);
  let line = '';
  for (let column = 0; column < columns; column++) {
    const first = Math.floor((column * values.length) / columns);
    const last = Math.floor(((column + 1) * values.length) / columns);
    const value = mean(values.slice(first, last).filter(Number.isFinite));
    const level = Math.floor(Math.min(Math.max(value, 0), 1) * levels.length);
    line += Number.isNaN(value) ? ' ' : levels.charAt(Math.min(level, levels.length - 1));
  }
  return line;
}

/** The arithmetic mean; NaN for no values. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
