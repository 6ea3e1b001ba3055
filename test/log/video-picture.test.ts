import { expect, it } from 'vitest';
import { drawText, LINE_HEIGHT } from '../../lib/log/video-font.js';
import {
  blank,
  broken,
  caption,
  enlarged,
  evenSided,
  gridOf,
  type Picture,
  tiled,
} from '../../lib/log/video-picture.js';

/** The first byte of every pixel, row by row. */
function rows({ data, width, height }: Picture): number[][] {
  return Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => data[3 * (y * width + x)] ?? -1),
  );
}

function of(values: number[][]): Picture {
  const width = values[0]?.length ?? 0;
  const data = Uint8Array.from(values.flat().flatMap((value) => [value, 255 - value, 7]));
  return { data, width, height: values.length };
}

const small = of([
  [1, 2, 3],
  [4, 5, 6],
]);

it('enlarges pixels to squares, and copies', () => {
  expect(rows(enlarged(small, 4))).toEqual([
    [1, 1, 2, 2, 3, 3],
    [1, 1, 2, 2, 3, 3],
    [4, 4, 5, 5, 6, 6],
    [4, 4, 5, 5, 6, 6],
  ]);
  expect([...enlarged(small, 4).data.subarray(12, 15)]).toEqual([3, 252, 7]);
  const copy = enlarged(small, 1);
  expect(copy).toEqual(small);
  copy.data.fill(0);
  expect(small.data[0]).toBe(1);
});

it('repeats the last row and column of an odd side', () => {
  expect(rows(evenSided(small))).toEqual([
    [1, 2, 3, 3],
    [4, 5, 6, 6],
  ]);
  expect(rows(evenSided(of([[1], [2], [3]])))).toEqual([
    [1, 1],
    [2, 2],
    [3, 3],
    [3, 3],
  ]);
  expect(evenSided(of([[1, 2]])).height).toBe(2);
});

it.each([
  [1, 1, 1],
  [2, 1, 2],
  [3, 1, 3],
  [4, 2, 2],
  [5, 2, 3],
  [6, 2, 3],
  [15, 3, 5],
  [16, 4, 4],
])('%i environments take %i rows and %i columns', (count, down, across) => {
  expect(gridOf(count)).toEqual({ rows: down, columns: across });
});

it('lays pictures out row by row, black where there are none left', () => {
  const pictures = [1, 2, 3, 4, 5].map((value) => of([[value], [10 * value]]));
  expect(rows(tiled(pictures))).toEqual([
    [1, 2, 3],
    [10, 20, 30],
    [4, 5, 0],
    [40, 50, 0],
  ]);
});

const shown = (picture: Picture) =>
  rows(picture).map((row) => row.map((value) => (value > 0 ? '#' : '.')).join(''));

it('draws capitals, digits and signs', () => {
  const picture = blank(23, 7);
  drawText(picture, [0, 0], 't1-%', [9, 9, 9]);
  expect(shown(picture)).toEqual([
    '#####...#.........##..#',
    '..#....##.........##..#',
    '..#.....#............#.',
    '..#.....#....###....#..',
    '..#.....#..........#...',
    '..#.....#.........#..##',
    '..#....###........#..##',
  ]);
});

it('has a form of its own for every character of a caption', () => {
  const form = (character: string) => {
    const picture = blank(5, 7);
    drawText(picture, [0, 0], character, [1, 1, 1]);
    return shown(picture).join('\n');
  };
  const characters = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-+.,:/%()_=?'];
  expect(new Set(characters.map(form)).size).toBe(characters.length);
  expect(form('~')).toBe(form('?'));
  expect(form(' ')).not.toContain('#');
});

it('cuts off what lies outside', () => {
  const picture = blank(4, 4);
  drawText(picture, [-2, -3], 'MM', [1, 1, 1]);
  expect(picture.data.length).toBe(48);
  expect(shown(picture)[0]).toBe('#.#.'); // the fourth row of an M from its third column on
});

it('breaks lines between words, and words that are too long', () => {
  expect(broken('pick up the bowl', 8)).toEqual(['pick up', 'the bowl']);
  expect(broken('a  b', 9)).toEqual(['a b']);
  expect(broken('extraordinary', 5)).toEqual(['extra']);
  expect(broken('', 5)).toEqual([]);
});

it('writes a caption on a darkened ground, over the upper half at most', () => {
  const picture = of(Array.from({ length: 64 }, () => Array(64).fill(200)));
  const colour = [10, 250, 10] as const;
  caption(picture, [{ text: 'ab' }, { text: 'one two three four five six seven', colour }]);
  const values = rows(picture);
  expect(values[0]?.slice(0, 17)).toEqual(Array(17).fill(70)); // .35 of 200: two glyphs, margins
  expect(values[0]?.[17]).toBe(200);
  expect(values[1]?.slice(3, 8)).toEqual([70, 255, 255, 255, 70]); // the top of an A
  expect(values.flat()).toContain(10);
  const touched = values.findLastIndex((row) => row.some((value) => value !== 200));
  expect(touched).toBe(3 * LINE_HEIGHT - 1); // a fourth line would reach below the middle
});
