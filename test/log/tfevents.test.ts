import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { EnvironmentSetupError, UsageError } from '../../lib/errors.js';
import { EventWriter } from '../../lib/log/tfevents.js';
import { decodeEvents } from './support/decode-events.js';
import { temporaryFolder } from './support/folder.js';
import { seededRandom } from './support/random.js';
import { readWithTensorBoard } from './support/tensorboard.js';

const at = (seconds: number) => () => seconds * 1000;

describe('the file', () => {
  test('is named by time, host and process, in a folder that is made', () => {
    const folder = join(temporaryFolder(), 'run', 'tensorboard');
    const writer = EventWriter.open(folder, { now: at(1_700_000_000.75) });
    writer.close();
    const name = `events.out.tfevents.1700000000.${hostname()}.${process.pid}`;
    expect(readdirSync(folder)).toEqual([name]);
    expect(basename(writer.path)).toBe(name);
  });

  test('begins with its version', () => {
    const writer = EventWriter.open(temporaryFolder(), { now: at(1234.5) });
    writer.close();
    expect(decodeEvents(readFileSync(writer.path))).toEqual({
      events: [{ wallTime: 1234.5, step: 0n, fileVersion: 'brain.Event:2', scalars: new Map() }],
      torn: 0,
    });
  });

  test('has these very bytes', () => {
    const writer = EventWriter.open(temporaryFolder(), { now: at(1) });
    writer.scalars(300, 2, { a: 0.5 });
    writer.close();
    const second = readFileSync(writer.path).subarray(12 + 26 + 4);
    // By hand: wall_time 2.0, step 300 = ac 02, Summary{Value{tag "a", simple_value 0.5}}.
    const data = '09 0000000000000040 10 ac02 2a 0a 0a08 0a0161 15 0000003f'.replaceAll(' ', '');
    expect(second.subarray(12, -4).toString('hex')).toBe(data);
    expect(second.readBigUInt64LE(0)).toBe(BigInt(data.length / 2));
  });

  test('holds each record when the call returns, without flush or close', () => {
    const writer = EventWriter.open(temporaryFolder());
    for (let step = 0; step < 3; step++) {
      writer.scalars(step, 0, { value: step });
      expect(decodeEvents(readFileSync(writer.path)).events).toHaveLength(step + 2);
    }
    writer.close();
  });

  test('gets no record for no tags', () => {
    const writer = EventWriter.open(temporaryFolder());
    writer.scalars(1, 0, {});
    writer.close();
    expect(decodeEvents(readFileSync(writer.path)).events).toHaveLength(1);
  });
});

describe('values', () => {
  test('of any tags, steps and numbers come back as float32', () => {
    const random = seededRandom(7);
    const letters = ['a', 'Z', '0', '/', '_', ' ', 'é', '成', '😀', '"', '\\', '\n'];
    const tagOf = () =>
      Array.from({ length: 1 + Math.floor(random() * 200) }, () => {
        return letters[Math.floor(random() * letters.length)];
      }).join('');
    const special = [0, -0, NaN, Infinity, -Infinity, 1e39, -1e39, 1e-46, 2 ** 24 + 1];
    const numberOf = () => {
      if (random() < 0.3) return special[Math.floor(random() * special.length)] as number;
      return (random() - 0.5) * 10 ** Math.floor(random() * 40 - 20);
    };
    const steps = [0, 1, 127, 128, 16_383, 16_384, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER, -1];

    const rows = Array.from({ length: 200 }, (_, index) => ({
      step: steps[index] ?? Math.floor(random() * 2 ** 40),
      wallTime: random() * 2e9,
      tags: Object.fromEntries(
        Array.from({ length: 1 + Math.floor(random() * 30) }, () => [tagOf(), numberOf()]),
      ),
    }));
    const writer = EventWriter.open(temporaryFolder());
    for (const row of rows) writer.scalars(row.step, row.wallTime, row.tags);
    writer.close();

    const decoded = decodeEvents(readFileSync(writer.path));
    expect(decoded.torn).toBe(0);
    expect(decoded.events.slice(1)).toEqual(
      rows.map((row) => ({
        wallTime: row.wallTime,
        step: BigInt(row.step),
        scalars: new Map(Object.entries(row.tags).map(([tag, value]) => [tag, Math.fround(value)])),
      })),
    );
  });

  test('are what TensorBoard itself reads, NaN and infinities included', () => {
    const folder = temporaryFolder();
    const writer = EventWriter.open(folder);
    const values = [0.25, NaN, Infinity, -Infinity, 0.1, -200.4];
    values.forEach((value, step) => {
      writer.scalars(step, 1_700_000_000.5 + step, { 'train/sac/alpha': value, 'ünï/x': 2 * step });
    });
    writer.scalars(2 ** 40, 1, { 'axis/env_steps': 2 ** 40 });
    writer.close();

    const read = readWithTensorBoard(folder);
    expect(Object.keys(read).sort()).toEqual(['axis/env_steps', 'train/sac/alpha', 'ünï/x']);
    expect(read['train/sac/alpha']).toEqual(
      values.map((value, step) => ({
        step,
        wallTime: 1_700_000_000.5 + step,
        value: Math.fround(value),
      })),
    );
    expect(read['axis/env_steps']).toEqual([{ step: 2 ** 40, wallTime: 1, value: 2 ** 40 }]);
  });
});

describe('a crash', () => {
  test('at any byte of the last record leaves every earlier one', () => {
    const writer = EventWriter.open(temporaryFolder());
    writer.scalars(1, 1, { kept: 1 });
    const whole = readFileSync(writer.path).length;
    writer.scalars(2, 2, { lost: 2, too: 3 });
    writer.close();
    const bytes = readFileSync(writer.path);
    for (let length = whole; length < bytes.length; length++) {
      const decoded = decodeEvents(bytes.subarray(0, length));
      expect(decoded.torn).toBe(length - whole);
      expect(decoded.events.map((event) => event.step)).toEqual([0n, 1n]);
    }
  });

  test('and a resumed run: TensorBoard shows each step once, with the later value', () => {
    const folder = temporaryFolder();
    const first = EventWriter.open(folder, { now: at(1_700_000_000) });
    for (let step = 0; step < 6; step++) first.scalars(step, step, { success: step / 10 });
    first.close();
    truncateSync(first.path, readFileSync(first.path).length - 5); // step 5 is torn
    const before = readFileSync(first.path);

    const second = EventWriter.open(folder, { now: at(1_700_000_100), resumeStep: 3 });
    for (let step = 3; step < 7; step++) second.scalars(step, step, { success: step / 10 + 0.5 });
    second.close();

    expect(readFileSync(first.path)).toEqual(before);
    const [version, start] = decodeEvents(readFileSync(second.path)).events;
    expect(version?.fileVersion).toBe('brain.Event:2');
    expect(start).toMatchObject({ step: 3n, sessionStart: true });
    const read = readWithTensorBoard(folder).success ?? [];
    expect(read.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 5, 6]);
    const expected = [0, 0.1, 0.2, 0.8, 0.9, 1, 1.1].map(Math.fround);
    expect(read.map(({ value }) => value)).toEqual(expected);
  });

  test('and a clock that went back: the newer file still comes last by name', () => {
    const folder = temporaryFolder();
    const names = [1_700_000_000, 1_700_000_000, 1_600_000_000].map((seconds) => {
      const writer = EventWriter.open(folder, { now: at(seconds) });
      writer.close();
      return basename(writer.path);
    });
    expect([...names].sort()).toEqual(names);
    expect(new Set(names).size).toBe(3);
  });
});

describe('errors', () => {
  test('a folder that cannot be made is named', () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'file'), '');
    const open = () => EventWriter.open(join(folder, 'file', 'tensorboard'));
    expect(open).toThrow(EnvironmentSetupError);
    expect(open).toThrow(join(folder, 'file', 'tensorboard'));
  });

  test('writing after close is refused', () => {
    const writer = EventWriter.open(temporaryFolder());
    writer.close();
    writer.close();
    expect(() => writer.scalars(0, 0, { a: 1 })).toThrow(UsageError);
  });
});
