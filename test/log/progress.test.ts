import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { EnvironmentSetupError } from '../../lib/errors.js';
import { createProgress, type Progress, type ProgressOptions } from '../../lib/log/progress.js';
import { temporaryFolder } from './support/folder.js';
import { ManualClock } from './support/manual-clock.js';
import { EVALUATION, stepRow } from './support/rows.js';

interface Scene {
  text(): string;
  lines(): string[];
  clock: ManualClock;
  progress: Progress;
}

function scene(options: Partial<ProgressOptions> & { isTTY?: boolean }): Scene {
  const { isTTY = false, ...rest } = options;
  let text = '';
  const stream = {
    isTTY,
    columns: 80,
    write(piece: string) {
      text += piece;
    },
  };
  const clock = new ManualClock();
  const progress = createProgress({
    format: 'plain',
    totalSteps: 40,
    stream,
    env: {},
    clock,
    ...rest,
  });
  return { text: () => text, lines: () => text.split('\n').slice(0, -1), clock, progress };
}

const stepsShown = (lines: readonly string[]) =>
  lines.flatMap((line) => /^step (\d+)\//.exec(line)?.[1] ?? []).map(Number);

describe('auto', () => {
  const isBlock = (options: { isTTY: boolean; env: Record<string, string> }) => {
    const { text, clock, progress } = scene({ format: 'auto', ...options });
    clock.advance(1000);
    progress.stop();
    return text().includes('\x1b[');
  };

  test('is a block on a terminal, plain lines elsewhere, in CI and on dumb terminals', () => {
    expect(isBlock({ isTTY: true, env: {} })).toBe(true);
    expect(isBlock({ isTTY: true, env: { CI: 'false' } })).toBe(true);
    expect(isBlock({ isTTY: true, env: { CI: 'true' } })).toBe(false);
    expect(isBlock({ isTTY: true, env: { TERM: 'dumb' } })).toBe(false);
    expect(isBlock({ isTTY: false, env: {} })).toBe(false);
  });
});

describe('plain', () => {
  test('a step is one line', () => {
    const { lines, progress } = scene({});
    progress.step(stepRow(12, 40, { evalSuccess: 0.71, secondsLeft: 93 }));
    expect(lines()).toEqual([
      'step 12/40  success 30.0%  return -85.2  length 63.5  eval 71.0%  ' +
        'env steps 30.7k (12.3k/s)  updates 480 (35.1/s)  entropy -15.9  alpha 0.0131  ' +
        'elapsed 0:12  left 1:33',
    ]);
  });

  test('what is not known is left out', () => {
    const { text, progress } = scene({});
    progress.step(stepRow(1, 40, { entropy: undefined, alpha: undefined, success: Number.NaN }));
    expect(text()).toContain('success -  ');
    expect(text()).not.toMatch(/entropy|alpha|eval|NaN|undefined/);
  });

  test('at most one step in two seconds; the first and the last always', () => {
    const { lines, clock, progress } = scene({});
    for (let step = 1; step <= 40; step++) {
      progress.step(stepRow(step, 40));
      clock.advance(300);
    }
    expect(stepsShown(lines())).toEqual([1, 8, 15, 22, 29, 36, 40]);
    progress.finish(['the end']);
    expect(stepsShown(lines())).toHaveLength(7);
    expect(lines().at(-1)).toBe('the end');
  });

  test('the interval can be chosen', () => {
    const { lines, clock, progress } = scene({ interval: 0.5 });
    for (let step = 1; step <= 7; step++) {
      progress.step(stepRow(step, 40));
      clock.advance(250);
    }
    expect(stepsShown(lines())).toEqual([1, 3, 5, 7]);
  });

  test.each(['stop', 'finish'] as const)('a run cut short shows its last step on %s', (how) => {
    const { lines, clock, progress } = scene({});
    for (let step = 1; step <= 3; step++) {
      progress.step(stepRow(step, 40));
      clock.advance(100);
    }
    if (how === 'stop') progress.stop();
    else progress.finish([]);
    progress.stop();
    expect(stepsShown(lines())).toEqual([1, 3]);
  });

  test('everything else is a line at once', () => {
    const { lines, progress } = scene({});
    progress.phase('setup');
    progress.notice('policy tabletop');
    progress.warn('small replay\nsmaller than one rollout');
    progress.evaluation(EVALUATION);
    progress.checkpoint('./logs/x/checkpoints/step_10');
    expect(lines()).toEqual([
      'policy tabletop',
      'warning: small replay',
      'smaller than one rollout',
      'eval at step 10  success 71.0% (65.2-76.1)  200 episodes  return -63.0',
      'checkpoint ./logs/x/checkpoints/step_10',
    ]);
  });

  test('has colours only when they are forced', () => {
    const warned = (env: Record<string, string>) => {
      const { text, progress } = scene({ env });
      progress.warn('careful');
      return text();
    };
    expect(warned({})).toBe('warning: careful\n');
    expect(warned({ FORCE_COLOR: '1' })).toBe('\x1b[33mwarning: careful\x1b[39m\n');
  });
});

describe('json', () => {
  test('one object for every event, keys as in metrics.jsonl, null for what is not finite', () => {
    const { lines, clock, progress } = scene({ format: 'json', isTTY: true });
    progress.phase('setup');
    progress.notice('policy "tabletop"\n');
    progress.warn('careful');
    clock.advance(1500);
    progress.step(stepRow(1, 40, { return: Number.NaN }));
    progress.step(stepRow(2, 40));
    progress.evaluation(EVALUATION);
    progress.checkpoint('/x/step_2');
    progress.finish(['done']);
    progress.stop();

    const events = lines().map((line) => JSON.parse(line));
    const t = '2026-01-02T03:04:05.000Z';
    const later = '2026-01-02T03:04:06.500Z';
    expect(events.slice(0, 3)).toEqual([
      { t, lvl: 'info', event: 'phase', name: 'setup' },
      { t, lvl: 'info', event: 'notice', text: 'policy "tabletop"\n' },
      { t, lvl: 'warn', event: 'warning', text: 'careful' },
    ]);
    expect(events[3]).toEqual({
      t: later,
      lvl: 'info',
      event: 'step',
      step: 1,
      total_steps: 40,
      success: 1 / 40,
      return: null,
      episode_length: 63.5,
      env_steps: 2560,
      env_steps_per_second: 12_345,
      updates: 40,
      updates_per_second: 35.14,
      entropy: -15.9,
      alpha: 0.0131,
      seconds_elapsed: 1,
      seconds_left: 39,
    });
    expect(events.slice(4).map(({ event }) => event)).toEqual([
      'step',
      'evaluation',
      'checkpoint',
      'finish',
    ]);
    expect(events[5]).toMatchObject({ episodes: 200, episode_length: 63.1, low: 0.652 });
    expect(events[7]).toEqual({ t: later, lvl: 'info', event: 'finish', summary: ['done'] });
  });
});

test('quiet shows warnings and nothing else', () => {
  const { text, progress } = scene({ format: 'quiet', isTTY: true });
  progress.notice('a');
  progress.phase('learn');
  progress.step(stepRow(40, 40));
  progress.evaluation(EVALUATION);
  progress.checkpoint('b');
  progress.finish(['c']);
  expect(text()).toBe('');
  progress.warn('careful');
  expect(text()).toContain('warning: careful');
});

describe('the file', () => {
  test.each(['tty', 'plain', 'json', 'quiet'] as const)(
    'gets plain, timed lines with %s',
    (format) => {
      const file = join(temporaryFolder(), 'run', 'run.log');
      const { clock, progress } = scene({ format, file, isTTY: true, env: { FORCE_COLOR: '1' } });
      progress.notice('\x1b[1mpolicy\x1b[22m tabletop');
      for (let step = 1; step <= 3; step++) {
        progress.step(stepRow(step, 40));
        clock.advance(1000);
      }
      progress.warn('careful');
      progress.finish(['the end']);
      progress.warn('late');
      const lines = readFileSync(file, 'utf8').split('\n');
      expect(lines.map((line) => line.slice(0, 46).trimEnd())).toEqual([
        '2026-01-02T03:04:05.000Z policy tabletop',
        '2026-01-02T03:04:05.000Z step 1/40  success 2.',
        '2026-01-02T03:04:07.000Z step 3/40  success 7.',
        '2026-01-02T03:04:08.000Z warning: careful',
        '2026-01-02T03:04:08.000Z the end',
        '2026-01-02T03:04:08.000Z warning: late',
        '',
      ]);
    },
  );

  test('goes on where an earlier run stopped', () => {
    const file = join(temporaryFolder(), 'run.log');
    writeFileSync(file, 'earlier\n');
    scene({ file }).progress.notice('later');
    expect(readFileSync(file, 'utf8')).toBe('earlier\n2026-01-02T03:04:05.000Z later\n');
  });

  test('that cannot be written is an error before the run begins', () => {
    expect(() => scene({ file: temporaryFolder() })).toThrow(EnvironmentSetupError);
  });
});
