import { stripVTControlCharacters } from 'node:util';
import { describe, expect, test } from 'vitest';
import { createProgress, type Phase, type Progress } from '../../lib/log/progress.js';
import { FakeTerminal } from './support/fake-terminal.js';
import { ManualClock } from './support/manual-clock.js';
import { seededRandom } from './support/random.js';
import { EVALUATION, stepRow } from './support/rows.js';

interface Scene {
  terminal: FakeTerminal;
  clock: ManualClock;
  progress: Progress;
}

function scene(columns: number, rows = 24, env: Record<string, string> = {}): Scene {
  const terminal = new FakeTerminal(columns, rows);
  const clock = new ManualClock();
  const progress = createProgress({ format: 'auto', totalSteps: 40, stream: terminal, env, clock });
  return { terminal, clock, progress };
}

/** A few steps with everything that can happen between them. */
function play({ progress, clock }: Scene, steps: number): void {
  progress.notice('run ./logs/x');
  progress.phase('setup');
  clock.advance(500);
  for (let step = 1; step <= steps; step++) {
    progress.phase('rollout');
    clock.advance(400);
    progress.phase('learn');
    clock.advance(600);
    progress.step(stepRow(step, 40, { evalSuccess: step > 2 ? 0.71 : undefined }));
  }
}

describe('what stands on the screen', () => {
  test.each([40, 80, 200])('at %i columns', (columns) => {
    const stage = scene(columns);
    play(stage, 12);
    stage.progress.phase('learn');
    stage.clock.advance(300);
    expect(stage.terminal.lines.join('\n')).toMatchSnapshot();
  });

  test('before the first step: the phase and the time', () => {
    const { terminal, clock, progress } = scene(70);
    progress.phase('evaluate');
    clock.advance(7000);
    expect(terminal.lines.at(-1)).toMatch(/evaluate .* 0\/40 {2}0:07 {2}- left$/);
  });

  test('the times go on between two steps', () => {
    const stage = scene(80);
    play(stage, 10);
    stage.clock.advance(5000);
    expect(stage.terminal.lines.join('\n')).toMatch(/10\/40 {2}0:15 {2}0:25 left/);
  });

  test('at the end: the last figures, then the summary, and no timer', () => {
    const stage = scene(80);
    play(stage, 40);
    stage.progress.finish(['success 35.0% -> 98.0%', 'checkpoint ./logs/x/last']);
    const { lines } = stage.terminal;
    expect(lines.slice(-3)).toEqual(['', 'success 35.0% -> 98.0%', 'checkpoint ./logs/x/last']);
    expect(lines.join('\n')).toMatch(/ done .*━ 40\/40 {2}0:40$/m);
    expect(lines.filter((line) => line.includes('/40'))).toHaveLength(1);
    expect(stage.clock.timers).toBe(0);
    const { length } = stage.terminal.writes;
    stage.progress.stop();
    expect(stage.terminal.writes).toHaveLength(length);
  });

  test('when it is stopped early: the block stays, later lines follow below', () => {
    const stage = scene(80);
    play(stage, 3);
    stage.progress.stop();
    stage.progress.warn('stopped by SIGINT');
    expect(stage.terminal.lines.at(-1)).toBe('warning: stopped by SIGINT');
    expect(stage.terminal.lines.join('\n')).toMatch(/ stopped .* 3\/40/);
    expect(stage.clock.timers).toBe(0);
  });

  test('lines that stay are above one single block, in order', () => {
    const stage = scene(80);
    play(stage, 2);
    stage.progress.warn('small replay');
    stage.progress.evaluation(EVALUATION);
    stage.progress.checkpoint('./logs/x/checkpoints/step_2');
    stage.progress.notice('two\nlines');
    play(stage, 1);
    const { lines } = stage.terminal;
    expect(lines.slice(0, 7)).toEqual([
      'run ./logs/x',
      'warning: small replay',
      'eval at step 10  success 71.0% (65.2-76.1)  200 episodes  return -63.0',
      'checkpoint ./logs/x/checkpoints/step_2',
      'two',
      'lines',
      'run ./logs/x',
    ]);
    expect(lines.filter((line) => line.includes('/40'))).toHaveLength(1);
  });

  test('unknown figures are dashes', () => {
    const stage = scene(80);
    const unknown = { success: Number.NaN, return: Number.NaN, secondsLeft: Number.NaN };
    stage.progress.step(stepRow(1, 40, { ...unknown, entropy: undefined, alpha: undefined }));
    stage.clock.advance(100);
    const text = stage.terminal.lines.join('\n');
    expect(text).toMatch(/success +-/);
    expect(text).toMatch(/return +- .*entropy +-/);
    expect(text).not.toMatch(/NaN|undefined/);
  });
});

describe('the width', () => {
  test.each([40, 80, 200])('no line of the block exceeds %i columns', (columns) => {
    const stage = scene(columns);
    play(stage, 40);
    stage.progress.finish([]);
    for (const write of stage.terminal.writes) {
      for (const line of stripVTControlCharacters(write).split('\n')) {
        expect(line.length).toBeLessThan(columns);
      }
    }
  });

  test('any width and any figures keep one block of whole lines', () => {
    const random = seededRandom(21);
    const numbers = [0, 1e-9, -1e9, 1e12, Number.NaN, Infinity, 0.5, 123_456];
    const pick = () => numbers[Math.floor(random() * numbers.length)] as number;
    for (let trial = 0; trial < 200; trial++) {
      const columns = 1 + Math.floor(random() * 120);
      const { terminal, clock, progress } = scene(columns, 2 + Math.floor(random() * 20));
      const row = { ...stepRow(1, 40), success: pick(), return: pick(), episodeLength: pick() };
      progress.step({ ...row, envSteps: pick(), updates: pick(), secondsLeft: pick() });
      clock.advance(1000);
      const height = terminal.cursor.row;
      expect(height).toBeLessThan(terminal.rows);
      progress.step({ ...row, alpha: pick(), entropy: pick(), evalSuccess: pick() });
      clock.advance(5000);
      expect(terminal.cursor.row).toBe(height);
    }
  });

  test('a terminal with fewer rows than the block has shows its upper lines only', () => {
    const stage = scene(40, 4);
    play(stage, 5);
    stage.clock.advance(2000);
    const { lines } = stage.terminal;
    expect(lines.filter((line) => line.includes('/40'))).toHaveLength(1);
    expect(lines).toHaveLength(1 + 3);
  });

  test('narrowing and widening leave no remains', () => {
    const stage = scene(100);
    play(stage, 5);
    for (const columns of [50, 31, 90, 44, 120]) {
      stage.terminal.resize(columns);
      stage.clock.advance(200);
      const fresh = scene(columns);
      play(fresh, 5);
      fresh.clock.advance(200);
      expect(stage.terminal.lines.length).toBe(fresh.terminal.lines.length);
      expect(stage.terminal.lines.filter((line) => line.includes('5/40'))).toHaveLength(1);
      expect(stage.terminal.lines[0]).toBe('run ./logs/x');
    }
  });
});

describe('the cursor', () => {
  test('is visible after every write, at the start of the line below the block', () => {
    const stage = scene(80);
    play(stage, 20);
    stage.progress.evaluation(EVALUATION);
    expect(stage.terminal.writes.some((write) => write.includes('\x1b[?25l'))).toBe(true);
    expect(stage.terminal.cursorAlwaysRestored).toBe(true);
    const { row, column } = stage.terminal.cursor;
    expect({ row, column }).toEqual({ row: stage.terminal.lines.length, column: 0 });
  });

  test('and what a dying process prints stands below the block', () => {
    const stage = scene(80);
    play(stage, 2);
    stage.terminal.write('Error: out of memory\n'); // an uncaught exception, without stop()
    const { lines } = stage.terminal;
    expect(lines.at(-1)).toBe('Error: out of memory');
    expect(lines.at(-2)).toMatch(/length .* alpha/);
    expect(stage.terminal.cursor.visible).toBe(true);
  });
});

test('the block is drawn at most ten times a second, however often it is told', () => {
  const { terminal, clock, progress } = scene(80);
  clock.advance(1000);
  const before = terminal.writes.length;
  const phases: Phase[] = ['rollout', 'learn', 'evaluate'];
  for (let call = 0; call < 3000; call++) {
    progress.phase(phases[call % 3] as Phase);
    progress.step(stepRow(call, 5000));
    clock.advance(1);
  }
  expect(terminal.writes.length - before).toBeLessThanOrEqual(30);
  expect(terminal.writes.length - before).toBeGreaterThan(10);
});

describe('characters and colours', () => {
  const drawn = (env: Record<string, string>): string => {
    const stage = scene(80, 24, env);
    play(stage, 5);
    stage.progress.warn('careful');
    return stage.terminal.writes.join('');
  };
  const COLOUR = '\x1b[32m';

  test('colours on a terminal', () => {
    expect(drawn({})).toContain(COLOUR);
    expect(drawn({})).toContain('\x1b[33mwarning: careful');
  });

  test('none with NO_COLOR, unless FORCE_COLOR', () => {
    expect(drawn({ NO_COLOR: '1' })).not.toMatch(/\[\d+m/);
    expect(drawn({ NO_COLOR: '' })).toContain(COLOUR);
    expect(drawn({ NO_COLOR: '1', FORCE_COLOR: '1' })).toContain(COLOUR);
    expect(drawn({ FORCE_COLOR: '0' })).not.toContain(COLOUR);
  });

  test('ASCII on the Linux console, whose font lacks the rest', () => {
    const isAscii = (text: string) => Buffer.from(text).every((byte) => byte < 128);
    expect(isAscii(drawn({ TERM: 'linux' }))).toBe(true);
    expect(isAscii(drawn({}))).toBe(false);
  });
});
