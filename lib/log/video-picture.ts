import { charactersIn, drawText, LINE_HEIGHT, widthOf } from './video-font.js';

/** RGB, row by row from the top. */
export interface Picture {
  data: Uint8Array;
  width: number;
  height: number;
}

/** A copy, each pixel as a square of the whole side that brings the shorter side to `atLeast`. */
export function enlarged({ data, width, height }: Picture, atLeast: number): Picture {
  const factor = Math.max(1, Math.ceil(atLeast / Math.max(1, Math.min(width, height))));
  const result = blank(width * factor, height * factor);
  for (let y = 0; y < result.height; y++) {
    const row = Math.floor(y / factor) * width;
    if (factor === 1) {
      result.data.set(data.subarray(3 * row, 3 * (row + width)), 3 * row);
      continue;
    }
    for (let x = 0; x < result.width; x++) {
      const from = 3 * (row + Math.floor(x / factor));
      const to = 3 * (y * result.width + x);
      result.data[to] = data[from] ?? 0;
      result.data[to + 1] = data[from + 1] ?? 0;
      result.data[to + 2] = data[from + 2] ?? 0;
    }
  }
  return result;
}

/** How `count` pictures are laid out: floor(sqrt(count)) rows, as RLinf does. */
export function gridOf(count: number): { rows: number; columns: number } {
  const rows = Math.max(1, Math.floor(Math.sqrt(count)));
  return { rows, columns: Math.ceil(count / rows) };
}

/** Pictures of one size as one, row by row in their order; black where there are none left. */
export function tiled(pictures: readonly Picture[]): Picture {
  const { rows, columns } = gridOf(pictures.length);
  const { width = 0, height = 0 } = pictures[0] ?? {};
  const result = blank(width * columns, height * rows);
  for (const [index, picture] of pictures.entries()) {
    const left = (index % columns) * width;
    const top = Math.floor(index / columns) * height;
    paste(picture, result, left, top);
  }
  return result;
}

/** The same picture, its last column and row repeated where a side is odd: H.264 halves colour. */
export function evenSided(picture: Picture): Picture {
  const { data, width, height } = picture;
  if (width % 2 === 0 && height % 2 === 0) return picture;
  const result = blank(width + (width % 2), height + (height % 2));
  for (let y = 0; y < result.height; y++) {
    const from = 3 * Math.min(y, height - 1) * width;
    const row = data.subarray(from, from + 3 * width);
    const to = 3 * y * result.width;
    result.data.set(row.subarray(3 * (width - 1)), to + 3 * (result.width - 1));
    result.data.set(row, to);
  }
  return result;
}

export interface CaptionLine {
  text: string;
  colour?: readonly [number, number, number];
}

const WHITE = [255, 255, 255] as const;
/** What is left of the picture's brightness behind a caption. */
const SHADE = 0.35;
const MARGIN = 3;

/**
 * Writes lines over the upper left of a picture, in place, on a darkened ground. Lines that are too
 * long are broken between words; what would reach below the picture's middle is left out.
 */
export function caption(picture: Picture, lines: readonly CaptionLine[]): void {
  const fits = charactersIn(picture.width - 2 * MARGIN);
  let top = 0;
  for (const { text, colour = WHITE } of lines) {
    for (const part of broken(text, fits)) {
      if (top + LINE_HEIGHT > picture.height / 2) return;
      darken(picture, top, widthOf(part) + 2 * MARGIN);
      drawText(picture, [MARGIN, top + 1], part, colour);
      top += LINE_HEIGHT;
    }
  }
}

/** Breaks a text into parts of at most `length` characters, between words where it can. */
export function broken(text: string, length: number): string[] {
  const parts: string[] = [];
  let part = '';
  for (const word of text.split(/\s+/).filter((each) => each !== '')) {
    const longer = part === '' ? word : `${part} ${word}`;
    if (longer.length <= length) {
      part = longer;
      continue;
    }
    if (part !== '') parts.push(part);
    part = word.slice(0, length);
  }
  if (part !== '') parts.push(part);
  return parts;
}

export function blank(width: number, height: number): Picture {
  return { data: new Uint8Array(3 * width * height), width, height };
}

function paste(picture: Picture, onto: Picture, left: number, top: number): void {
  const row = 3 * picture.width;
  for (let y = 0; y < picture.height; y++) {
    const pixels = picture.data.subarray(y * row, (y + 1) * row);
    onto.data.set(pixels, 3 * ((top + y) * onto.width + left));
  }
}

function darken({ data, width, height }: Picture, top: number, wide: number): void {
  for (let y = top; y < Math.min(height, top + LINE_HEIGHT); y++) {
    const from = 3 * y * width;
    const end = from + 3 * Math.min(width, wide);
    for (let at = from; at < end; at++) data[at] = Math.round((data[at] ?? 0) * SHADE);
  }
}
