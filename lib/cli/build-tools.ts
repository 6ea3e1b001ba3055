import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { delimiter, dirname, join } from 'node:path';
import { EnvironmentSetupError } from '../errors.js';
import type { Surroundings } from '../torch/surroundings.js';
import { findFile } from './find-file.js';

/** What compiling takes, as absolute paths. */
export interface BuildTools {
  compiler: string;
  cmake: string;
  /** null: make, CMake's own choice. */
  ninja: string | null;
  /** Folders of node_api.h and napi.h. */
  headers: string[];
}

const CMAKE_OLDEST = [3, 25] as const;
const OLDEST = { 'g++': 12, 'clang++': 15 } as const;

/**
 * Finds everything, or names all that is missing at once.
 *
 * @throws EnvironmentSetupError ERR_DSRL_BUILD_TOOLS
 */
export function findBuildTools(around: Surroundings): BuildTools {
  const compiler = findCompiler(around);
  const cmake = findCmake(around);
  const ninja = findProgram(['ninja'], around);
  const napi = findHeaders('node-api-headers', 'include', 'node_api.h', around) ?? nodeOwn();
  const addon = findHeaders('node-addon-api', '.', 'napi.h', around);
  const hasMake = ninja !== null || findProgram(['make'], around) !== null;
  if (compiler !== null && cmake !== null && hasMake && napi !== null && addon !== null) {
    return { compiler, cmake, ninja, headers: [napi, addon] };
  }
  const packages = [
    ...(compiler === null ? ['g++'] : []),
    ...(cmake === null ? ['cmake'] : []),
    ...(hasMake ? [] : ['make']),
  ];
  const modules = [
    ...(napi === null ? ['node-api-headers'] : []),
    ...(addon === null ? ['node-addon-api'] : []),
  ];
  const missing = [
    ...(compiler === null ? ['a C++20 compiler (g++ 12 or clang++ 15)'] : []),
    ...(cmake === null ? [`CMake ${CMAKE_OLDEST.join('.')}`] : []),
    ...(hasMake ? [] : ['make or ninja']),
    ...(modules.length === 0 ? [] : [`Node's headers (${modules.join(', ')})`]),
  ];
  const type = [
    ...(packages.length === 0
      ? []
      : [`type: apt-get install ${packages.join(' ')}   (or your system's packages of that name)`]),
    ...(cmake === null ? ['or for a newer CMake: pip install cmake'] : []),
    ...(modules.length === 0 ? [] : [`type: npm install --no-save ${modules.join(' ')}`]),
  ];
  throw new EnvironmentSetupError(
    'ERR_DSRL_BUILD_TOOLS',
    `missing on this machine: ${missing.join('; ')}`,
    { hint: [...type, 'then type the same command again'].join('\n') },
  );
}

function findProgram(names: readonly string[], { env }: Surroundings): string | null {
  return findFile(names, (env.PATH ?? '').split(delimiter).filter(Boolean));
}

/** CXX if it is set, else the first that is new enough. */
function findCompiler(around: Surroundings): string | null {
  const versioned = (name: string, from: number, to: number) =>
    Array.from({ length: from - to + 1 }, (_, index) => `${name}-${from - index}`);
  const { CXX } = around.env;
  const names = CXX
    ? [CXX]
    : ['g++', 'clang++', ...versioned('g++', 16, 12), ...versioned('clang++', 22, 15)];
  for (const name of names) {
    const file = name.includes('/') ? name : findProgram([name], around);
    if (file === null) continue;
    const version = Number.parseInt(ask(file, ['-dumpversion']) ?? '', 10);
    if (version >= OLDEST[name.includes('clang') ? 'clang++' : 'g++']) return file;
  }
  return null;
}

function findCmake(around: Surroundings): string | null {
  const file = findProgram(['cmake'], around);
  const found = file === null ? null : ask(file, ['--version'])?.match(/(\d+)\.(\d+)/);
  if (!found) return null;
  const [major, minor] = [Number(found[1]), Number(found[2])];
  const isNew = major > CMAKE_OLDEST[0] || (major === CMAKE_OLDEST[0] && minor >= CMAKE_OLDEST[1]);
  return isNew ? file : null;
}

function ask(program: string, words: string[]): string | null {
  const { status, stdout } = spawnSync(program, words, { encoding: 'utf8', timeout: 30_000 });
  return status === 0 ? stdout : null;
}

/** Of a package that is installed beside this one, or where the command is typed. */
function findHeaders(
  name: string,
  folder: string,
  header: string,
  { packageRoot, env }: Surroundings,
): string | null {
  for (const place of [packageRoot, env.PWD ?? process.cwd()]) {
    try {
      const require = createRequire(join(place, 'package.json'));
      const found = join(dirname(require.resolve(`${name}/package.json`)), folder);
      if (existsSync(join(found, header))) return found;
    } catch {} // not there
  }
  return null;
}

/** The headers of Node itself, which some ways of installing it bring. */
function nodeOwn(): string | null {
  const folder = join(dirname(dirname(process.execPath)), 'include', 'node');
  return existsSync(join(folder, 'node_api.h')) ? folder : null;
}
