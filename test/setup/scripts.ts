import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

export const SCRIPTS = join(dirname(fileURLToPath(import.meta.url)), '..', '..', 'scripts');

/** The scripts run before TypeScript is there, so they are JavaScript; tests give the types. */
export async function importScript<Module>(path: string): Promise<Module> {
  return (await import(pathToFileURL(join(SCRIPTS, path)).href)) as Module;
}
