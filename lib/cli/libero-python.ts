import type { Surroundings } from '../torch/surroundings.js';
import { findVenvPython } from './venv-python.js';

/**
 * A Python 3.10 to 3.12 with its venv module: numpy 1.26, which robosuite 1.4 needs, has wheels
 * for these.
 *
 * @param named a program; the only one that is looked at
 * @throws EnvironmentSetupError ERR_DSRL_LIBERO_PYTHON that lists what was looked at
 */
export function findLiberoPython(named: string | undefined, around: Surroundings): string {
  const wish = {
    code: 'ERR_DSRL_LIBERO_PYTHON',
    purpose: 'making the bundle',
    oldest: 10,
    newest: 12,
    programs: ['python3.11', 'python3.12', 'python3.10', 'python3', 'python'],
  } as const;
  return findVenvPython(wish, named, around);
}
