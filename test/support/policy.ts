import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect } from 'vitest';
import {
  type DsrlError,
  Policy,
  type PolicyLoadOptions,
  type RobotObservation,
} from '../../lib/index.js';

/** The policy that ships with the package, and its sizes. */
export const SHIPPED = fileURLToPath(new URL('../../policies/tabletop', import.meta.url));
export const [SIDE, HORIZON, WIDTH, ACTION] = [64, 5, 32, 7];

const root = mkdtempSync(join(tmpdir(), 'dsrl-policies-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** The policy that ships, on the CPU. */
export function shipped(options: PolicyLoadOptions = {}): Promise<Policy> {
  return Policy.load(SHIPPED, { device: 'cpu', ...options });
}

/** A scene that differs with its number. */
export function observation(scene = 0): RobotObservation {
  const main = Uint8Array.from({ length: SIDE * SIDE * 3 }, (_, i) => (i * (scene + 3)) % 256);
  const state = [0.5, 0.1 * scene, 0.2, 3.1, 0, 0, 0.02, -0.02];
  return { images: { main }, state, prompt: 'tidy' };
}

export function noise(index = 0, length = WIDTH): Float32Array {
  return Float32Array.from({ length }, (_, i) => Math.sin(17 * index + i + 1));
}

/** What a promise is rejected with. */
export async function failure(promise: Promise<unknown>): Promise<DsrlError> {
  return promise.then(
    () => expect.fail('it was accepted'),
    (error) => error,
  );
}

/** A copy of a policy with an edited policy.json; it goes when the file's tests are done. */
export function editedPolicy(
  edit: (json: Record<string, unknown>) => void,
  source = SHIPPED,
): string {
  const folder = mkdtempSync(join(root, 'policy-'));
  cpSync(source, folder, { recursive: true });
  const file = join(folder, 'policy.json');
  const json = JSON.parse(readFileSync(file, 'utf8'));
  edit(json);
  writeFileSync(file, JSON.stringify(json));
  return folder;
}

/** Warnings of prompts that were cut off while `run` was at work. */
export async function truncationsOf(run: () => Promise<unknown>): Promise<string[]> {
  const seen: string[] = [];
  const listen = (warning: Error & { code?: string }) => {
    if (warning.code === 'DSRL_PROMPT_TRUNCATED') seen.push(warning.message);
  };
  process.on('warning', listen);
  try {
    await run();
    await new Promise(setImmediate); // warnings are emitted on the next tick
  } finally {
    process.off('warning', listen);
  }
  return seen;
}
