import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * The Python that tests run: $DSRL_PYTHON, else the private environment that the set-up made in
 * the repository, else the system's.
 */
export function findPython(): string {
  if (process.env.DSRL_PYTHON) return process.env.DSRL_PYTHON;
  const venv = fileURLToPath(new URL('../../.venv/bin/python', import.meta.url));
  return existsSync(venv) ? venv : 'python3';
}
