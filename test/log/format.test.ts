import { describe, expect, test } from 'vitest';
import {
  formatCount,
  formatDuration,
  formatNumber,
  formatPercent,
  sparkline,
} from '../../lib/log/format.js';

test.each([
  [0, '0'],
  [950, '950'],
  [1234, '1,234'],
  [9999, '9,999'],
  [10_000, '10.0k'],
  [12_345, '12.3k'],
  [999_499, '999k'],
  [999_500, '1.00M'],
  [4_567_890, '4.57M'],
  [1.5e9, '1.50G'],
  [2e14, '200T'],
  [1e15, '1.00e+15'],
  [Number.NaN, '-'],
])('a count: %d is %s', (value, text) => {
  expect(formatCount(value)).toBe(text);
});

test.each([
  [0, '0'],
  [0.0131, '0.0131'],
  [35.14, '35.1'],
  [-85.24, '-85.2'],
  [0.00012, '1.2e-4'],
  [999.4, '999'],
  [999.6, '1,000'],
  [-23_456, '-23.5k'],
  [Infinity, '-'],
])('a number: %d is %s', (value, text) => {
  expect(formatNumber(value)).toBe(text);
});

test('a fraction as per cent', () => {
  expect(formatPercent(0.625)).toBe('62.5%');
  expect(formatPercent(1)).toBe('100.0%');
  expect(formatPercent(Number.NaN)).toBe('-');
});

test.each([
  [0, '0:00'],
  [7.4, '0:07'],
  [59.6, '1:00'],
  [725, '12:05'],
  [3599.7, '1:00:00'],
  [11_045, '3:04:05'],
  [360_000, '100:00:00'],
  [-1, '-'],
  [Number.NaN, '-'],
])('a duration: %d s is %s', (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text);
});

describe('a sparkline', () => {
  test('gives each value its level', () => {
    expect(sparkline([0, 0.25, 0.5, 0.75, 1], 10, '01234567')).toBe('02467');
  });

  test('averages what does not fit, and covers the whole history', () => {
    expect(sparkline([0, 0, 1, 1, 0, 1], 3, '01234567')).toBe('074');
    const history = Array.from({ length: 1000 }, (_, index) => index / 1000);
    expect(sparkline(history, 8, '01234567')).toBe('01234567');
  });

  test('leaves a blank for what is unknown, and clamps', () => {
    expect(sparkline([Number.NaN, -1, 2], 10, '01234567')).toBe(' 07');
    expect(sparkline([Number.NaN, 1], 1, '01234567')).toBe('7');
    expect(sparkline([1, 1], 0, '01234567')).toBe('');
  });
});
