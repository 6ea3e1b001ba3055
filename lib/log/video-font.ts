import type { Picture } from './video-picture.js';

/** Pixels of a glyph; one more separates it from the next. */
const WIDTH = 5;
const HEIGHT = 7;
export const LINE_HEIGHT = HEIGHT + 3;

/** Twelve glyphs at a time: their characters, then their seven rows, side by side. */
const SHEETS: readonly (readonly string[])[] = [
  [
    'ABCDEFGHIJKL',
    '.###. ####. .#### ####. ##### ##### .#### #...# .###. ..### #...# #....',
    '#...# #...# #.... #...# #.... #.... #.... #...# ..#.. ...#. #..#. #....',
    '#...# #...# #.... #...# #.... #.... #.... #...# ..#.. ...#. #.#.. #....',
    '##### ####. #.... #...# ####. ####. #..## ##### ..#.. ...#. ##... #....',
    '#...# #...# #.... #...# #.... #.... #...# #...# ..#.. ...#. #.#.. #....',
    '#...# #...# #.... #...# #.... #.... #...# #...# ..#.. #..#. #..#. #....',
    '#...# ####. .#### ####. ##### #.... .#### #...# .###. .##.. #...# #####',
  ],
  [
    'MNOPQRSTUVWX',
    '#...# #...# .###. ####. .###. ####. .#### ##### #...# #...# #...# #...#',
    '##.## ##..# #...# #...# #...# #...# #.... ..#.. #...# #...# #...# #...#',
    '#.#.# #.#.# #...# #...# #...# #...# #.... ..#.. #...# #...# #...# .#.#.',
    '#.#.# #..## #...# ####. #...# ####. .###. ..#.. #...# #...# #.#.# ..#..',
    '#...# #...# #...# #.... #.#.# #.#.. ....# ..#.. #...# #...# #.#.# .#.#.',
    '#...# #...# #...# #.... #..#. #..#. ....# ..#.. #...# .#.#. ##.## #...#',
    '#...# #...# .###. #.... .##.# #...# ####. ..#.. .###. ..#.. #...# #...#',
  ],
  [
    'YZ0123456789',
    '#...# ##### .###. ..#.. .###. ####. ...#. ##### .###. ##### .###. .###.',
    '#...# ....# #..## .##.. #...# ....# ..##. #.... #.... ....# #...# #...#',
    '.#.#. ...#. #.#.# ..#.. ....# ....# .#.#. ####. #.... ...#. #...# #...#',
    '..#.. ..#.. #.#.# ..#.. ..##. .###. #..#. ....# ####. ..#.. .###. .####',
    '..#.. .#... #.#.# ..#.. .#... ....# ##### ....# #...# ..#.. #...# ....#',
    '..#.. #.... ##..# ..#.. #.... ....# ...#. #...# #...# .#... #...# ....#',
    '..#.. ##### .###. .###. ##### ####. ...#. .###. .###. .#... .###. .###.',
  ],
  [
    '-+.,:/%()_=?',
    '..... ..... ..... ..... ..... ....# ##..# ...#. .#... ..... ..... .###.',
    '..... ..#.. ..... ..... .##.. ....# ##..# ..#.. ..#.. ..... ..... #...#',
    '..... ..#.. ..... ..... .##.. ...#. ...#. .#... ...#. ..... ##### ....#',
    '.###. ##### ..... ..... ..... ..#.. ..#.. .#... ...#. ..... ..... ...#.',
    '..... ..#.. ..... ..#.. .##.. .#... .#... .#... ...#. ..... ##### ..#..',
    '..... ..#.. .##.. ..#.. .##.. #.... #..## ..#.. ..#.. ..... ..... .....',
    '..... ..... .##.. .#... ..... #.... #..## ...#. .#... ##### ..... ..#..',
  ],
];

/** A character's pixels that are set, as [column, row]. */
const GLYPHS: ReadonlyMap<string, readonly [number, number][]> = new Map(
  SHEETS.flatMap(([characters = '', ...rows]) =>
    [...characters].map((character, index) => [character, pixelsOf(rows, index)]),
  ),
);

function pixelsOf(rows: readonly string[], index: number): [number, number][] {
  return rows.flatMap((row, y) => {
    const from = index * (WIDTH + 1);
    const found = [...row.slice(from, from + WIDTH)].map((mark, x) => [mark, x] as const);
    return found.filter(([mark]) => mark === '#').map(([, x]): [number, number] => [x, y]);
  });
}

/** Characters that fit into so many pixels. */
export function charactersIn(pixels: number): number {
  return Math.floor((pixels + 1) / (WIDTH + 1));
}

/** Pixels that a text takes. */
export function widthOf(text: string): number {
  return Math.max(0, [...text].length * (WIDTH + 1) - 1);
}

/**
 * Draws one line with its upper left corner at (x, y), in capitals; what has no glyph is a question
 * mark, and what lies outside the picture is cut off.
 */
export function drawText(
  { data, width, height }: Picture,
  [x, y]: readonly [number, number],
  text: string,
  colour: readonly [number, number, number],
): void {
  let left = x;
  for (const character of text.toUpperCase()) {
    const glyph = GLYPHS.get(character) ?? GLYPHS.get('?') ?? [];
    for (const [column, row] of character === ' ' ? [] : glyph) {
      const [px, py] = [left + column, y + row];
      if (px < 0 || py < 0 || px >= width || py >= height) continue;
      data.set(colour, 3 * (py * width + px));
    }
    left += WIDTH + 1;
  }
}
