import { describe, expect, test } from 'vitest';
import { type CurvePoint, plotCurve } from '../../lib/log/curve.js';
import { seededRandom } from './support/random.js';

/** A run that learns: 35 % at first, 98 % at last, an evaluation every tenth step. */
function learningRun(steps: number): CurvePoint[] {
  const random = seededRandom(1);
  return Array.from({ length: steps }, (_, index) => {
    const done = index / (steps - 1);
    const success = 0.35 + 0.63 / (1 + Math.exp(-(done - 0.4) / 0.08));
    const noisy = Math.min(1, success + (random() - 0.5) * 0.1);
    const evaluated = index % Math.round(steps / 4) === 0 || index === steps - 1;
    return { envSteps: 1000 * index, success: noisy, evalSuccess: evaluated ? success : undefined };
  });
}

describe('pictures', () => {
  test('of a run that learns', () => {
    expect(plotCurve(learningRun(81), { width: 72, height: 11 }).join('\n')).toMatchSnapshot();
  });

  test('in ASCII, small', () => {
    const lines = plotCurve(learningRun(41), { width: 40, height: 6, ascii: true });
    expect(lines.join('\n')).toMatchSnapshot();
    expect(lines.join('')).toMatch(/^[\x20-\x7e]*$/);
  });

  test('of evaluations alone', () => {
    const points = [0, 1, 2].map((index) => ({ envSteps: index * 5, evalSuccess: index / 2 }));
    expect(plotCurve(points, { width: 36, height: 5 }).join('\n')).toMatchSnapshot();
  });
});

test('nothing to plot gives no lines', () => {
  expect(plotCurve([], { width: 80, height: 10 })).toEqual([]);
  expect(plotCurve([{ envSteps: 1, success: Number.NaN }], { width: 80, height: 10 })).toEqual([]);
});

test('a single point is drawn', () => {
  const lines = plotCurve([{ envSteps: 0, success: 1 }], { width: 40, height: 5 });
  expect(lines[0]).toBe('100% ┤─');
});

test('success maps to rows from top to bottom, env steps to columns', () => {
  const width = 46; // 40 columns beside the labels
  for (const [x, y] of [
    [0, 0],
    [0.5, 0.5],
    [1, 1],
    [0.25, 0.9],
  ] as const) {
    const points = [
      { envSteps: 0, success: Number.NaN },
      { envSteps: 390 * x, evalSuccess: y },
      { envSteps: 390, success: 0.5 },
    ];
    const lines = plotCurve(points, { width, height: 21 });
    const row = lines.findIndex((line) => line.includes('●'));
    expect(row).toBe(Math.round((1 - y) * 20));
    expect(lines[row]?.indexOf('●')).toBe(6 + Math.round(39 * x));
  }
});

test('points far apart are joined by a straight line', () => {
  const points = [0, 1].map((end) => ({ envSteps: 100 * end, success: end }));
  const rows = plotCurve(points, { width: 46, height: 5 }).slice(0, 5);
  const heights = Array.from({ length: 40 }, (_, column) => {
    return rows.findIndex((row) => /[─╭]/.test(row[6 + column] ?? ''));
  });
  // Row 4 is 0 %, row 0 is 100 %.
  expect(heights).toEqual(Array.from({ length: 40 }, (_, x) => 4 - Math.round((4 * x) / 39)));
});

test('the training line has no gaps and is smoother than its points', () => {
  const random = seededRandom(5);
  const points = Array.from({ length: 400 }, (_, index) => ({
    envSteps: index,
    success: random() < 0.5 ? 0 : 1,
  }));
  const lines = plotCurve(points, { width: 80, height: 20 }).slice(0, 20);
  for (let column = 6; column < 80; column++) {
    expect(lines.some((line) => /[─│╭╮╯╰]/.test(line[column] ?? ''))).toBe(true);
  }
  // Single rollouts jump between 0 and 1; their moving mean stays clear of both edges.
  for (const edge of [2, 17]) expect(lines[edge]?.slice(8, 78).trim()).toBe('');
});

test('no size and no values break the frame', () => {
  const random = seededRandom(9);
  const numbers = [0, 1, 0.5, Number.NaN, Infinity, -1, 2];
  for (let trial = 0; trial < 500; trial++) {
    const size = { width: 32 + Math.floor(random() * 200), height: 3 + Math.floor(random() * 30) };
    const pick = () => numbers[Math.floor(random() * numbers.length)] as number;
    const points = Array.from({ length: Math.floor(random() * 60) }, () => ({
      envSteps: random() < 0.1 ? pick() : random() * 1e7,
      success: pick(),
      evalSuccess: pick(),
    }));
    const lines = plotCurve(points, size);
    if (lines.length > 0) expect(lines).toHaveLength(size.height + 3);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(size.width);
    expect(lines.join('\n')).not.toContain('NaN');
  }
});
