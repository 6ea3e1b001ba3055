// What must come from the system: a C++20 compiler, Python with venv, and GoogleTest for the tests.
// As root on Debian or Ubuntu the packages are installed; elsewhere the words to type are printed.

import { existsSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ask, buildDir, run, SetupError, say, which } from './steps.mjs';

const PACKAGES = {
  'a C++20 compiler (g++ 12 or newer)': { apt: ['g++'], dnf: ['gcc-c++'] },
  'make or ninja': { apt: ['make'], dnf: ['make'] },
  'Python 3.10 or newer': { apt: ['python3', 'python3-venv'], dnf: ['python3'] },
  "Python's venv module": { apt: ['python3-venv'], dnf: ['python3'] },
  'GoogleTest (for the tests only)': { apt: ['libgtest-dev'], dnf: ['gtest-devel'] },
};

/** Where GoogleTest is put for somebody who may not install packages. */
export const gtestDir = join(buildDir, 'gtest');

/** The C++ compiler to build with, or null: CXX, then g++ and clang++ in their newest versions. */
export function findCompiler() {
  const versioned = (name, from, to) =>
    Array.from({ length: from - to + 1 }, (_, i) => `${name}-${from - i}`);
  const names = process.env.CXX
    ? [process.env.CXX.split(' ')[0]]
    : ['g++', 'clang++', ...versioned('g++', 16, 12), ...versioned('clang++', 22, 15)];
  return names.find((name) => {
    const version = ask(name, ['-dumpversion']);
    const oldest = name.includes('clang') ? 15 : 12;
    return version !== null && Number.parseInt(version, 10) >= oldest;
  });
}

/** The first Python >= 3.10 on the PATH: { command, version, hasVenv }, or null. */
export function findPython() {
  const minors = ['3.14', '3.13', '3.12', '3.11', '3.10'];
  const script =
    'import sys, importlib.util as u;' +
    'print("%d.%d" % sys.version_info[:2], u.find_spec("venv") and u.find_spec("ensurepip") and 1)';
  for (const name of ['python3', ...minors.map((minor) => `python${minor}`), 'python']) {
    const command = which(name, { venv: false });
    const [version, hasVenv] = (command && ask(command, ['-c', script]))?.split(' ') ?? [];
    if (minors.includes(version)) return { command, version, hasVenv: hasVenv === '1' };
  }
  return null;
}

function hasGoogleTest() {
  return ['/usr/include', '/usr/local/include', join(gtestDir, 'usr', 'include')].some((folder) =>
    existsSync(join(folder, 'gtest', 'gtest.h')),
  );
}

function findMissing(options) {
  const python = findPython();
  const missing = [];
  if (!findCompiler()) missing.push('a C++20 compiler (g++ 12 or newer)');
  if (!which('make') && !which('ninja')) missing.push('make or ninja');
  if (!python) missing.push('Python 3.10 or newer');
  else if (!python.hasVenv) missing.push("Python's venv module");
  if (options.tests && !hasGoogleTest()) missing.push('GoogleTest (for the tests only)');
  return missing;
}

/** Everything that the system must give is there when this returns. */
export async function provideSystemPackages(options) {
  let missing = findMissing(options);
  if (missing.length === 0) return;
  const apt = which('apt-get', { venv: false });
  if (apt && process.getuid?.() === 0) {
    await aptInstall(apt, missing, options);
    missing = findMissing(options);
  }
  if (apt && missing.length === 1 && missing[0].startsWith('GoogleTest')) {
    await unpackGoogleTest(apt, options);
    missing = findMissing(options);
  }
  if (missing.length === 0) return;
  throw new SetupError(
    `missing on this machine: ${missing.join(', ')}`,
    `type: ${installCommand(missing)}\nthen start again`,
  );
}

async function aptInstall(apt, missing, options) {
  const packages = missing.flatMap((what) => PACKAGES[what].apt);
  say(`setup: missing ${missing.join(', ')}; apt-get install ${packages.join(' ')}`, options);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  const hint = `type: apt-get update && apt-get install ${packages.join(' ')}\nthen start again`;
  await run('apt-update', apt, ['update', '-q'], { ...options, env, hint });
  const install = ['install', '-y', '-q', '--no-install-recommends', ...packages];
  await run('apt-install', apt, install, { ...options, env, hint });
}

/** Debian's GoogleTest without being root: downloaded, and unpacked inside build/. */
async function unpackGoogleTest(apt, options) {
  say('setup: unpacking GoogleTest (libgtest-dev, 0.3 MB) into build/gtest', options);
  rmSync(gtestDir, { recursive: true, force: true });
  mkdirSync(gtestDir, { recursive: true });
  const hint = `type: ${installCommand(['GoogleTest (for the tests only)'])}\nthen start again`;
  // apt-get download writes into the working folder and knows no other place.
  const shell = `cd "${gtestDir}" && "${apt}" download libgtest-dev && dpkg-deb -x *.deb .`;
  await run('gtest', 'sh', ['-c', shell], { ...options, hint });
}

function installCommand(missing) {
  const system = which('dnf', { venv: false }) ? 'dnf' : 'apt';
  const packages = missing.flatMap((what) => PACKAGES[what][system]).join(' ');
  return system === 'dnf'
    ? `sudo dnf install ${packages}`
    : `sudo apt-get update && sudo apt-get install ${packages}`;
}
