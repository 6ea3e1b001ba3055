import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { completeStamp, torchCache } from './cache.js';
import type { Surroundings } from './surroundings.js';

/** A place where a torch may lie, or the word why there is none. */
export type Candidate =
  | { source: string; root: string; libDir?: string }
  | { source: string; verdict: string };

/**
 * Prints where Python would import torch from, without importing it: an import takes seconds and
 * may start CUDA. The empty entry of sys.path (the working folder) is left out: a folder that
 * happens to be called torch is no torch.
 */
const FIND_SPEC = `
import json, sys
sys.path = [folder for folder in sys.path if folder]
from importlib.util import find_spec
spec = find_spec("torch")
places = list(spec.submodule_search_locations or []) if spec else []
print(json.dumps(places[0] if places else None))`;

const PYTHON_TIMEOUT_MS = 20_000;

/**
 * Every place, in the order of preference, one at a time: a later one costs nothing until the
 * earlier ones were refused. A torch that is named (`torchHome`, DSRL_TORCH_HOME) is the only one.
 */
export function* candidates(
  torchHome: string | undefined,
  around: Surroundings,
): Generator<Candidate, void> {
  const { env } = around;
  if (torchHome !== undefined) {
    yield { source: `torchHome=${torchHome}`, root: torchHome };
    return;
  }
  if (env.DSRL_TORCH_HOME) {
    yield { source: `DSRL_TORCH_HOME=${env.DSRL_TORCH_HOME}`, root: env.DSRL_TORCH_HOME };
    return;
  }
  yield { source: 'DSRL_TORCH_HOME', verdict: 'not set' };
  yield env.LIBTORCH
    ? { source: `LIBTORCH=${env.LIBTORCH}`, root: env.LIBTORCH }
    : { source: 'LIBTORCH', verdict: 'not set' };
  yield* recordedBySetup(around);
  yield* pythons(around);
  yield* privateCache(around);
  yield* systemLibraries(around);
}

/** A development checkout uses the torch that its core was built against. */
function* recordedBySetup({ packageRoot }: Surroundings): Generator<Candidate, void> {
  const file = join(packageRoot, 'build', 'torch.json');
  if (!existsSync(file)) return;
  const source = 'npm run setup (build/torch.json)';
  try {
    const { root } = JSON.parse(readFileSync(file, 'utf8')) as { root: string };
    yield { source, root: String(root) };
  } catch {
    yield { source, verdict: 'damaged; run npm run setup' };
  }
}

/** Python programs in the order of preference; a place without one comes with the reason. */
export function* pythonPrograms(
  env: Surroundings['env'],
): Generator<{ source: string; program: string } | { source: string; verdict: string }, void> {
  // A folder of programs belongs to one environment: python and python3 in it find the same torch.
  const asked = new Set<string>();
  for (const name of ['VIRTUAL_ENV', 'CONDA_PREFIX']) {
    const prefix = env[name];
    if (!prefix) {
      yield { source: name, verdict: 'not set' };
      continue;
    }
    const folder = join(prefix, 'bin');
    asked.add(folder);
    yield { source: `${name}=${prefix}`, program: join(folder, 'python') };
  }
  const folders = (env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  for (const name of ['python3', 'python']) {
    const folder = folders.find((place) => existsSync(join(place, name)));
    if (folder === undefined) {
      yield { source: `${name} on the PATH`, verdict: 'not found' };
    } else if (!asked.has(folder)) {
      asked.add(folder);
      yield { source: join(folder, name), program: join(folder, name) };
    }
  }
}

function* pythons({ env }: Surroundings): Generator<Candidate, void> {
  for (const place of pythonPrograms(env)) {
    yield 'verdict' in place ? place : askPython(place.source, place.program, env);
  }
}

function askPython(source: string, python: string, env: Surroundings['env']): Candidate {
  const answer = runPython(python, FIND_SPEC, env);
  if ('verdict' in answer) return { source, ...answer };
  const root = answer.said;
  return typeof root === 'string' ? { source, root } : { source, verdict: 'no torch package' };
}

/** The JSON that a few lines of Python print last, or the words why they could not run. */
export function runPython(
  python: string,
  code: string,
  env: Surroundings['env'],
): { said: unknown } | { verdict: string } {
  if (!existsSync(python)) return { verdict: `no ${python}` };
  const { status, stdout, error } = spawnSync(python, ['-c', code], {
    encoding: 'utf8',
    env: { ...env },
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: PYTHON_TIMEOUT_MS,
  });
  if (error !== undefined || status !== 0) return { verdict: 'this Python does not run' };
  try {
    return { said: JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as unknown };
  } catch {
    return { verdict: 'this Python does not answer' }; // a program of that name that is none
  }
}

/**
 * ~/.cache/dsrl-native/torch/<version>/, newest first: an environment that `dsrl-native setup` has
 * made, or a folder in which the package lies, or its torch/.
 */
function* privateCache(around: Surroundings): Generator<Candidate, void> {
  const cache = torchCache(around);
  const byVersion = new Intl.Collator('en', { numeric: true });
  let versions: string[] = [];
  try {
    if (existsSync(cache)) versions = readdirSync(cache).sort(byVersion.compare).reverse();
    if (versions.length === 0) yield { source: cache, verdict: 'empty' };
  } catch (error) {
    yield { source: cache, verdict: `cannot be read (${(error as NodeJS.ErrnoException).code})` };
  }
  for (const version of versions) {
    const folder = join(cache, version);
    if (existsSync(join(folder, 'pyvenv.cfg')) && !existsSync(completeStamp(folder))) {
      yield { source: folder, verdict: 'not complete: dsrl-native setup goes on with it' };
      continue;
    }
    const inner = environmentTorch(folder) ?? join(folder, 'torch');
    yield { source: folder, root: existsSync(inner) ? inner : folder };
  }
}

/** The torch of a Python environment, lib/python3.<n>/site-packages/torch; null for none. */
export function environmentTorch(folder: string): string | null {
  const library = join(folder, 'lib');
  const pythons = existsSync(library) ? readdirSync(library) : [];
  const roots = pythons
    .filter((name) => name.startsWith('python3.'))
    .map((name) => join(library, name, 'site-packages', 'torch'));
  return roots.find((root) => existsSync(root)) ?? null;
}

function* systemLibraries({ systemLibraryDirs }: Surroundings): Generator<Candidate, void> {
  const libDir = systemLibraryDirs.find((folder) => existsSync(join(folder, 'libtorch_cpu.so')));
  if (libDir === undefined) {
    yield { source: 'libtorch of the system', verdict: 'not installed' };
    return;
  }
  // /usr/lib/<triplet>: the headers, which hold the version, are in /usr/include.
  const usr = libDir.endsWith('-linux-gnu') ? dirname(dirname(libDir)) : dirname(libDir);
  yield { source: libDir, root: usr, libDir };
}
