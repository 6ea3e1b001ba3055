import { styleText } from 'node:util';

/** What the log needs of a stream; `process.stderr` and a test's own object both fit. */
export interface TextStream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** A style of `util.styleText`. */
export type Style = Parameters<typeof styleText>[0];

/** A piece of a line with one style; lines are cut to a width before they are coloured. */
export interface Span {
  text: string;
  style?: Style | undefined;
}

/** Colours a text, or returns it as it is. */
export type Paint = (style: Style | undefined, text: string) => string;

/** FORCE_COLOR and NO_COLOR decide, in this order, as in Node itself; then the kind of stream. */
export function wantsColour(stream: TextStream, env: Environment): boolean {
  const forced = env.FORCE_COLOR;
  if (forced !== undefined) return forced !== '0' && forced !== 'false';
  if (env.NO_COLOR) return false;
  return stream.isTTY === true && env.TERM !== 'dumb';
}

/**
 * `styleText` decides about colours by stdout unless it is told not to, and stdout may well be a
 * pipe while the progress on stderr is watched.
 */
export function painter(colour: boolean): Paint {
  return (style, text) =>
    colour && style !== undefined && text !== ''
      ? styleText(style, text, { validateStream: false })
      : text;
}

/** The characters that pictures are made of. */
export interface Glyphs {
  spinner: string;
  bar: string;
  barRest: string;
  /** Levels of a sparkline, lowest first. */
  levels: string;
}

const UNICODE: Glyphs = { spinner: '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏', bar: '━', barRest: '─', levels: '▁▂▃▄▅▆▇█' };
const ASCII: Glyphs = { spinner: '|/-\\', bar: '=', barRest: '-', levels: '_.:-=+*#' };

/** The Linux console's font lacks block and Braille characters. */
export function supportsUnicode(env: Environment): boolean {
  return env.TERM !== 'linux';
}

export function glyphsFor(env: Environment): Glyphs {
  return supportsUnicode(env) ? UNICODE : ASCII;
}

/** The line cut to `width` characters; each of ours takes one column. */
export function cutSpans(line: readonly Span[], width: number): Span[] {
  let left = Math.max(0, width);
  return line.map(({ text, style }) => {
    const kept = text.slice(0, left);
    left -= kept.length;
    return { text: kept, style };
  });
}

/** The number of columns that the line takes. */
export function spansWidth(line: readonly Span[]): number {
  return line.reduce((width, { text }) => width + text.length, 0);
}
