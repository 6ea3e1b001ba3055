import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { type ComposeRequest, composeConfig } from '../../lib/config/index.js';
import { DsrlError } from '../../lib/errors.js';

/** A folder that lives as long as the test file. */
export let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'dsrl-errors-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What the command line prints for a request, with the folder's name taken out. */
export function complaint(request: ComposeRequest): string {
  try {
    composeConfig(request);
  } catch (error) {
    if (!(error instanceof DsrlError)) throw error;
    expect(error.exitCode).toBe(2);
    const text = `${error.message} (${error.code})\n  ${error.hint}`;
    return text.replaceAll(`${folder}/`, '');
  }
  return 'no error';
}

export function ofFile(content: string, ...overrides: string[]): string {
  const file = join(folder, 'a.yaml');
  writeFileSync(file, content);
  return complaint({ file, overrides });
}

/** A file that starts from the tabletop. */
export const ofEdit = (content: string) => ofFile(`defaults: [tabletop]\n${content}`);

export const ofOverride = (...overrides: string[]) => complaint({ recipe: 'tabletop', overrides });
