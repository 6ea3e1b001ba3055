import { delimiter } from 'node:path';
import { EnvironmentSetupError } from '../errors.js';
import { runPython } from '../torch/search.js';
import type { Surroundings } from '../torch/surroundings.js';
import { findFile } from './find-file.js';

/** Prints [major, minor, whether an environment can be made]. */
const ASK = `
import json, sys
from importlib.util import find_spec
print(json.dumps([*sys.version_info[:2], all(map(find_spec, ("venv", "ensurepip")))]))`;

/** numpy 1.26, which robosuite 1.4 needs, has wheels for these. */
const PROGRAMS = ['python3.11', 'python3.12', 'python3.10', 'python3', 'python'];

/**
 * A Python 3.10 to 3.12 with its venv module.
 *
 * @param named a program; the only one that is looked at
 * @throws EnvironmentSetupError ERR_DSRL_LIBERO_PYTHON that lists what was looked at
 */
export function findLiberoPython(named: string | undefined, around: Surroundings): string {
  const folders = (around.env.PATH ?? '').split(delimiter);
  const programs = named === undefined ? PROGRAMS : [named];
  const tried: string[] = [];
  for (const program of programs) {
    const file = program.includes('/') ? program : (findFile([program], folders) ?? program);
    const verdict = whyNot(file, around);
    if (verdict === null) return file;
    tried.push(`  ${program}: ${verdict}`);
  }
  throw new EnvironmentSetupError(
    'ERR_DSRL_LIBERO_PYTHON',
    'no Python 3.10 - 3.12 with its venv module was found; making the bundle needs one',
    {
      hint: [
        'tried:',
        ...tried,
        'install one (Debian: apt-get install python3 python3-venv), or add --python FILE',
      ].join('\n'),
    },
  );
}

function whyNot(program: string, { env }: Surroundings): string | null {
  const answer = runPython(program, ASK, env);
  if ('verdict' in answer) return answer.verdict;
  const [major, minor, hasVenv] = JSON.parse(answer.lastLine) as [number, number, boolean];
  if (major !== 3 || minor < 10 || minor > 12) return `is Python ${major}.${minor}`;
  return hasVenv ? null : `Python ${major}.${minor} has no venv module`;
}
