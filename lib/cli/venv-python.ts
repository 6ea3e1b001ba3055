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

export interface PythonWish {
  /** The code of the error when there is none. */
  code: `ERR_DSRL_${string}`;
  /** What it is needed for: `making the bundle`. */
  purpose: string;
  /** The minors of Python 3 that will do. */
  oldest: number;
  newest: number;
  /** In the order of preference. */
  programs: readonly string[];
}

/**
 * A Python that can make an environment.
 *
 * @param named a program; the only one that is looked at
 * @throws EnvironmentSetupError with the wish's code, that lists what was looked at
 */
export function findVenvPython(
  wish: PythonWish,
  named: string | undefined,
  around: Surroundings,
): string {
  const folders = (around.env.PATH ?? '').split(delimiter);
  const programs = named === undefined ? wish.programs : [named];
  const tried: string[] = [];
  for (const program of programs) {
    const file = program.includes('/') ? program : (findFile([program], folders) ?? program);
    const verdict = whyNot(file, wish, around);
    if (verdict === null) return file;
    tried.push(`  ${program}: ${verdict}`);
  }
  const range = `Python 3.${wish.oldest} - 3.${wish.newest}`;
  throw new EnvironmentSetupError(
    wish.code,
    `no ${range} with its venv module was found; ${wish.purpose} needs one`,
    {
      hint: [
        'tried:',
        ...tried,
        'install one (Debian: apt-get install python3 python3-venv), or add --python FILE',
      ].join('\n'),
    },
  );
}

function whyNot(
  program: string,
  { oldest, newest }: PythonWish,
  { env }: Surroundings,
): string | null {
  const answer = runPython(program, ASK, env);
  if ('verdict' in answer) return answer.verdict;
  const [major, minor, hasVenv] = answer.said as [number, number, boolean];
  if (major !== 3 || minor < oldest || minor > newest) return `is Python ${major}.${minor}`;
  return hasVenv ? null : `Python ${major}.${minor} has no venv module`;
}
