import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { EnvironmentSetupError, UsageError } from '../../lib/errors.js';
import { MetricsLog } from '../../lib/log/jsonl.js';
import { temporaryFolder } from './support/folder.js';
import { seededRandom } from './support/random.js';

const rowsOf = (path: string): unknown[] =>
  readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));

const linesFor = (steps: readonly number[]) =>
  steps.map((step) => `{"step":${step},"x":${step / 8}}\n`).join('');

test('one object a line, on disk when the call returns', () => {
  const path = join(temporaryFolder(), 'run', 'metrics.jsonl');
  const log = MetricsLog.open(path);
  log.write({ step: 0, 'env/return': -85.25 });
  expect(readFileSync(path, 'utf8')).toBe('{"step":0,"env/return":-85.25}\n');
  log.write({ step: 1, 'env/return': -12 });
  log.close();
  expect(rowsOf(path)).toEqual([
    { step: 0, 'env/return': -85.25 },
    { step: 1, 'env/return': -12 },
  ]);
});

test('numbers that JSON lacks become null', () => {
  const path = join(temporaryFolder(), 'metrics.jsonl');
  const log = MetricsLog.open(path);
  log.write({ step: 0, a: Number.NaN, b: Infinity, c: -Infinity, d: 1e-300 });
  log.close();
  expect(rowsOf(path)).toEqual([{ step: 0, a: null, b: null, c: null, d: 1e-300 }]);
});

test('doubles survive exactly', () => {
  const random = seededRandom(3);
  const path = join(temporaryFolder(), 'metrics.jsonl');
  const log = MetricsLog.open(path);
  const rows = Array.from({ length: 300 }, (_, step) => ({
    step,
    value: (random() - 0.5) * 10 ** Math.floor(random() * 600 - 300),
  }));
  for (const row of rows) log.write(row);
  log.close();
  expect(rowsOf(path)).toEqual(rows);
});

describe('opening an existing file', () => {
  test('goes on behind it and changes nothing', () => {
    const path = join(temporaryFolder(), 'metrics.jsonl');
    const text = '{ "step": 0 }\n{"step":1}\n'; // not as we would write it, and kept as it is
    writeFileSync(path, text);
    const log = MetricsLog.open(path);
    log.write({ step: 2 });
    log.close();
    expect(log.dropped).toBe(0);
    expect(readFileSync(path, 'utf8')).toBe(`${text}{"step":2}\n`);
  });

  test.each([0, 1, 3, 5, 9])('to resume at step %i drops that step and later ones', (step) => {
    const folder = temporaryFolder();
    const path = join(folder, 'metrics.jsonl');
    writeFileSync(path, linesFor([0, 1, 2, 3, 4]));
    const log = MetricsLog.open(path, { resumeStep: step });
    log.close();
    const kept = [0, 1, 2, 3, 4].filter((other) => other < step);
    expect(readFileSync(path, 'utf8')).toBe(linesFor(kept));
    expect(log.dropped).toBe(5 - kept.length);
    expect(readdirSync(folder)).toEqual(['metrics.jsonl']); // no temporary file stays
  });

  test('torn at any byte of its last line repairs it', () => {
    const path = join(temporaryFolder(), 'metrics.jsonl');
    const whole = linesFor([0, 1]);
    const last = linesFor([2]);
    for (let length = 1; length < last.length - 1; length++) {
      writeFileSync(path, whole + last.slice(0, length));
      const log = MetricsLog.open(path);
      log.write({ step: 2, x: 7 });
      log.close();
      expect(log.dropped).toBe(1);
      expect(rowsOf(path)).toEqual([
        { step: 0, x: 0 },
        { step: 1, x: 0.125 },
        { step: 2, x: 7 },
      ]);
    }
  });

  test('whose last line lacks only its end keeps that line', () => {
    const path = join(temporaryFolder(), 'metrics.jsonl');
    writeFileSync(path, linesFor([0, 1]).trimEnd());
    const log = MetricsLog.open(path);
    log.write({ step: 2, x: 0.25 });
    log.close();
    expect(log.dropped).toBe(0);
    expect(readFileSync(path, 'utf8')).toBe(linesFor([0, 1, 2]));
  });

  test('drops lines that are no rows, wherever they stand', () => {
    const path = join(temporaryFolder(), 'metrics.jsonl');
    const damaged = ['{"step":1,', '\0\0\0\0', '[1]', 'null', '7', '{"x":1}', '{"step":"1"}', ''];
    writeFileSync(path, `${linesFor([0])}${damaged.join('\n')}\n${linesFor([2])}`);
    const log = MetricsLog.open(path);
    log.close();
    expect(log.dropped).toBe(damaged.length);
    expect(readFileSync(path, 'utf8')).toBe(linesFor([0, 2]));
  });

  test('of any history: what is left are the whole rows below the step, in order', () => {
    const random = seededRandom(11);
    const path = join(temporaryFolder(), 'metrics.jsonl');
    for (let trial = 0; trial < 200; trial++) {
      const count = Math.floor(random() * 8);
      const lines = linesFor(Array.from({ length: count }, (_, step) => step));
      const length = Math.floor(random() * (lines.length + 1));
      const resumeStep = Math.floor(random() * 10);
      writeFileSync(path, lines.slice(0, length));
      MetricsLog.open(path, { resumeStep }).close();
      const left = rowsOf(path) as { step: number }[];
      const wholeLines = linesFor(left.map(({ step }) => step));
      expect(readFileSync(path, 'utf8')).toBe(wholeLines);
      expect(lines.startsWith(wholeLines)).toBe(true);
      const next = linesFor([left.length]);
      const nextWasWhole = lines.slice(0, length).startsWith((wholeLines + next).trimEnd());
      expect(left.length === resumeStep || !nextWasWhole).toBe(true);
    }
  });
});

describe('errors', () => {
  test('a path that cannot be written is named', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'file'), '');
    const path = join(folder, 'file', 'metrics.jsonl');
    expect(() => MetricsLog.open(path)).toThrow(EnvironmentSetupError);
    expect(() => MetricsLog.open(path)).toThrow(path);
    expect(() => MetricsLog.open(folder)).toThrow(EnvironmentSetupError);
  });

  test('writing after close is refused', () => {
    const log = MetricsLog.open(join(temporaryFolder(), 'metrics.jsonl'));
    log.close();
    log.close();
    expect(() => log.write({ step: 0 })).toThrow(UsageError);
  });
});
