import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const library = new URL('../../dist/index.js', import.meta.url).href;
const program = new URL('life_stages.mjs', import.meta.url).pathname;

interface Ended {
  code: number | null;
  signal: string | null;
  stdout: string;
  stderr: string;
}

/** A program that is ended in the middle of its work cannot delete its files: they lie in ours. */
function run(stage: string, end: string): Promise<Ended> {
  const scratch = mkdtempSync(join(tmpdir(), 'dsrl-lifetimes-'));
  const env = { ...process.env, TMPDIR: scratch };
  return new Promise((resolve) => {
    const words = [program, library, stage, end];
    const child = execFile(process.execPath, words, { env }, (_, stdout, stderr) => {
      rmSync(scratch, { recursive: true, force: true });
      resolve({ code: child.exitCode, signal: child.signalCode, stdout, stderr });
    });
  });
}

const STAGES = [
  'nothing',
  'acting',
  'updating',
  'saving behind an update',
  'inferring',
  'stepping',
  'loading a policy',
  'serving',
  'training',
  'done with an update',
  'disposed of a policy',
];

test.each(STAGES)('process.exit() while %s ends with its code and no signal', async (stage) => {
  const { code, signal, stderr } = await run(stage, 'exit');
  expect({ code, signal, stderr }).toEqual({ code: 7, signal: null, stderr: '' });
});

test.each(['updating', 'inferring', 'training'])(
  'an uncaught error while %s ends the program as any does',
  async (stage) => {
    const { code, signal, stderr } = await run(stage, 'throw');
    expect({ code, signal }).toEqual({ code: 1, signal: null });
    expect(stderr).toContain('a fault of the program itself');
  },
);

test('what is under way is finished before a program ends by itself', async () => {
  const { code, signal, stderr } = await run('acting', 'abandon');
  expect({ code, signal, stderr }).toEqual({ code: 7, signal: null, stderr: '' });
});

test.each(['acting', 'stepping'])(
  'four workers %s at once and then end by themselves, all of them',
  async (stage) => {
    const { code, signal, stdout, stderr } = await run(stage, 'workers that end');
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    expect(JSON.parse(stdout)).toEqual([0, 0, 0, 0]);
  },
);

test.each(['acting', 'updating', 'saving behind an update', 'inferring', 'stepping', 'training'])(
  'four workers that are terminated while %s end, and the process goes on',
  async (stage) => {
    const { code, signal, stdout, stderr } = await run(stage, 'worker');
    expect({ code, signal, stderr }).toEqual({ code: 0, signal: null, stderr: '' });
    expect(JSON.parse(stdout)).toEqual([1, 1, 1, 1]);
  },
);
