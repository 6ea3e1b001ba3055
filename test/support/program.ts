import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'dsrl-program-'));
afterAll(() => rmSync(folder, { recursive: true }));
const library = new URL('../../dist/index.js', import.meta.url).href;

/**
 * What a program prints that has the compiled library (`dsrl`), a `runtime`, `gc` and `turns()` of
 * the event loop. It has to end by itself, well and without a word on stderr.
 */
export function output(
  body: string,
  { flags = [], env = {} }: { flags?: string[]; env?: Record<string, string | undefined> } = {},
): string {
  const file = join(folder, 'program.mjs');
  writeFileSync(
    file,
    `const dsrl = await import(${JSON.stringify(library)});
    const runtime = dsrl.createRuntime({ device: 'cpu' });
    const turns = () => new Promise((resolve) => setTimeout(resolve, 20));
    ${body}`,
  );
  const words = [...flags, '--expose-gc', file];
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, words, {
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  expect({ status, signal, stderr }).toEqual({ status: 0, signal: null, stderr: '' });
  return stdout.trim();
}
