import { cpSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';
import type { DsrlError, RobotObservation } from '../../lib/index.js';

/** The policy that ships with the package, and its sizes. */
export const SHIPPED = fileURLToPath(new URL('../../policies/tabletop', import.meta.url));
export const [SIDE, HORIZON, WIDTH, ACTION] = [64, 5, 32, 7];

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

/** A copy, in a new folder of `root`, of a policy, with an edited policy.json. */
export function editedPolicy(
  root: string,
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
