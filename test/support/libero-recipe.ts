import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect } from 'vitest';
import { findPython } from './python.js';

const path = (name: string) => fileURLToPath(new URL(`../../${name}`, import.meta.url));

export const folder = mkdtempSync(join(tmpdir(), 'dsrl-libero-train-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Where `exportRandomPi0` puts its policy. */
export const policy = join(folder, 'policy');

/** Runs a command of ours to its good end; returns what it printed. */
export function command(...argv: string[]): string {
  const program = path('bin/dsrl-native.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...argv], {
    encoding: 'utf8',
  });
  expect({ status }, stderr).toEqual({ status: 0 });
  return stdout;
}

/** A Pi0 of the real layout with random weights: what it does is nothing, how it does it is all. */
export function exportRandomPi0(): void {
  const source = ['--checkpoint', path('test/fixtures/pi0/openpi'), '--robot', 'libero'];
  const tokenizer = ['--tokenizer', path('test/fixtures/tokenizer/tiny.model')];
  const python = ['--python', findPython()];
  command('export', 'pi0', ...source, ...tokenizer, ...python, '--out', policy);
}

/** The rows of a run's metrics.jsonl. */
export function metricsOf(run: string): Record<string, number>[] {
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line) as Record<string, number>);
}
