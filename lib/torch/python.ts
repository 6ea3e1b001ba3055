import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EnvironmentSetupError, type TorchAttempt } from '../errors.js';
import { pythonPrograms, runPython } from './search.js';
import { currentSurroundings, type Surroundings } from './surroundings.js';

/** Prints [major, minor, whether there is a torch], without importing it. */
const ASK = `
import json, sys
sys.path = [folder for folder in sys.path if folder]
from importlib.util import find_spec
print(json.dumps([*sys.version_info[:2], find_spec("torch") is not None]))`;

type Place = { source: string; program: string } | { source: string; verdict: string };

/**
 * A Python that can script a model with torch: the one that is named, else that of the active
 * environment, of the PATH, or of the environment whose torch this package was pointed at.
 *
 * @param named a program; the only one that is looked at
 * @returns the program's path
 * @throws EnvironmentSetupError ERR_DSRL_EXPORT_PYTHON that lists every place
 */
export function findTorchPython(
  named?: string,
  around: Surroundings = currentSurroundings(),
): string {
  const attempts: TorchAttempt[] = [];
  for (const place of named === undefined ? places(around) : [{ source: named, program: named }]) {
    const verdict = 'verdict' in place ? place.verdict : whyNot(place.program, around);
    if (verdict === null && 'program' in place) return place.program;
    attempts.push({ source: place.source, verdict: verdict ?? '' });
  }
  const width = Math.max(...attempts.map(({ source }) => source.length));
  const tried = attempts.map(({ source, verdict }) => `  ${source.padEnd(width)}  ${verdict}`);
  throw new EnvironmentSetupError(
    'ERR_DSRL_EXPORT_PYTHON',
    'no Python 3.11 - 3.13 with torch was found; exporting needs one (nothing else does)',
    {
      hint: [
        'tried:',
        ...tried,
        'fix one of:',
        '  - pip install "torch==2.13.*"  in the active environment',
        '  - add --python <a Python that has torch>',
      ].join('\n'),
    },
  );
}

function* places(around: Surroundings): Generator<Place, void> {
  yield* pythonPrograms(around.env);
  const homes = {
    DSRL_TORCH_HOME: around.env.DSRL_TORCH_HOME,
    'npm run setup (build/torch.json)': recordedHome(around),
  };
  for (const [source, home] of Object.entries(homes)) {
    if (!home) {
      yield { source, verdict: 'not set' };
      continue;
    }
    // <environment>/lib/python3.N/site-packages/torch
    yield { source, program: join(home, '..', '..', '..', '..', 'bin', 'python') };
  }
}

function recordedHome({ packageRoot }: Surroundings): string | null {
  const file = join(packageRoot, 'build', 'torch.json');
  if (!existsSync(file)) return null;
  try {
    return String((JSON.parse(readFileSync(file, 'utf8')) as { root: string }).root);
  } catch {
    return null;
  }
}

function whyNot(program: string, around: Surroundings): string | null {
  const answer = runPython(program, ASK, around.env);
  if ('verdict' in answer) return answer.verdict;
  const [major, minor, hasTorch] = answer.said as [number, number, boolean];
  if (!hasTorch) return `Python ${major}.${minor} - no torch package`;
  if (major === 3 && minor >= 11 && minor <= 13) return null;
  return `Python ${major}.${minor} - TorchScript is made with Python 3.11 to 3.13`;
}
