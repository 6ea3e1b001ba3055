// The project's own Python environment, .venv: torch (its own copy, or one found elsewhere and made
// visible by a .pth file), the tools that the tests call, and CMake where the system has none.

import { existsSync, lstatSync, readdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ask, run, SetupError, say, stamp, venvDir, venvPython, which } from './steps.mjs';
import { findPython } from './system.mjs';

/** What the set-up fetches when no torch is found, and the range that the code builds with. */
export const TORCH_VERSION = '2.13.0';
export const TORCH_MINORS = ['2.11', '2.12', '2.13', '2.14'];

const CMAKE_OLDEST = [3, 25];
const TEST_TOOLS = ['numpy', 'tensorboard', 'clang-format==23.1.5'];
const PTH_FILE = 'dsrl-torch.pth';

const PIP_HINT = 'see that pip reaches its index (pip config list), then run: npm run setup';

function pythonMinor(command) {
  return ask(command, ['-c', 'import sys; print("%d.%d" % sys.version_info[:2])']);
}

async function createVenv(python, version, options) {
  if (existsSync(venvPython) && pythonMinor(venvPython) === version) return;
  // `venv --clear` would empty what a link points to, which may be somebody's own environment.
  if (lstatSync(venvDir, { throwIfNoEntry: false })?.isSymbolicLink()) unlinkSync(venvDir);
  say(`setup: making .venv with Python ${version}`, options);
  await run('venv', python, ['-m', 'venv', '--clear', venvDir], {
    ...options,
    hint: "Python's venv module does not work here: install python3-venv, then start again",
  });
}

async function pipInstall(name, requirements, options) {
  const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-input'];
  await run(name, venvPython, [...pip, ...requirements], { ...options, hint: PIP_HINT });
}

/** Puts a private torch into .venv and returns its folder. Says first what that fetches. */
export async function installTorch(options) {
  const python = findPython();
  say(
    `setup: fetching torch ${TORCH_VERSION} into .venv with pip
  CPU build: about 190 MB to fetch, 1 GB on disk. It comes where pip's index or --find-links has it;
  the default index gives Linux the CUDA build instead: several GB to fetch, about 6 GB on disk.
  To use another torch (${TORCH_MINORS[0]} to ${TORCH_MINORS.at(-1)}): stop this with Ctrl-C and
    activate an environment that has it, or set DSRL_TORCH_HOME or LIBTORCH to its folder`,
    options,
  );
  await createVenv(python.command, python.version, options);
  await pipInstall('pip-torch', [`torch==${TORCH_VERSION}`], { ...options, show: true });
  return join(sitePackages(python.version), 'torch');
}

function sitePackages(version) {
  return join(venvDir, 'lib', `python${version}`, 'site-packages');
}

/** The torch that an earlier set-up put into .venv; null when there is none. */
export function privateTorch() {
  const library = join(venvDir, 'lib');
  const pythons = existsSync(library) ? readdirSync(library) : [];
  const folders = pythons.map((python) => join(library, python, 'site-packages', 'torch'));
  return folders.find((folder) => existsSync(folder)) ?? null;
}

/** The Python that a torch package belongs to, or null: a libtorch archive belongs to none. */
function pythonOfTorch(torch) {
  const extension = readdirSync(torch.root).find((file) => /^_C\.cpython-3\d+-/.test(file));
  if (!extension) return null;
  const version = extension.replace(/^_C\.cpython-3(\d+)-.*$/, '3.$1');
  // <prefix>/lib/python3.x/site-packages/torch
  const prefix = dirname(dirname(dirname(dirname(torch.root))));
  const commands = [join(prefix, 'bin', 'python3'), which(`python${version}`, { venv: false })];
  const command = commands.find(
    (file) => file && existsSync(file) && pythonMinor(file) === version,
  );
  return command ? { command, version } : null;
}

/** .venv can import the torch that the addon is built against, where that torch has a Python. */
async function linkTorch(torch, options) {
  if (torch.root.startsWith(venvDir)) return;
  const python = pythonOfTorch(torch);
  if (python) {
    await createVenv(python.command, python.version, options);
    writeFileSync(join(sitePackages(python.version), PTH_FILE), `${dirname(torch.root)}\n`);
    return;
  }
  say(
    `setup: ${torch.root} has no Python that fits it; the tools and tests in python/ need one:
  activate an environment with torch, then run npm run setup`,
    options,
  );
  const own = findPython();
  await createVenv(own.command, own.version, options);
}

function buildTools() {
  const cmake = which('cmake', { venv: false });
  const version =
    cmake &&
    ask(cmake, ['--version'])
      ?.match(/(\d+)\.(\d+)/)
      ?.slice(1)
      .map(Number);
  const isNew = version && (version[0] - CMAKE_OLDEST[0] || version[1] - CMAKE_OLDEST[1]) >= 0;
  return [...(isNew ? [] : ['cmake>=3.25']), ...(which('ninja', { venv: false }) ? [] : ['ninja'])];
}

/** .venv exists, sees the torch, and holds the tools that are still missing. */
export async function provideVenv(torch, options) {
  const tools = [...buildTools(), ...(options.tests ? TEST_TOOLS : [])];
  const done = stamp('venv');
  const isDone = (wanted) => done.matches(JSON.stringify({ torch: torch.root, tools: wanted }));
  // What the tests need serves the quickstart too: no step back between the two.
  const isCurrent = isDone(tools) || (!options.tests && isDone([...tools, ...TEST_TOOLS]));
  if (existsSync(venvPython) && isCurrent) return;
  await linkTorch(torch, options);
  if (tools.length > 0) {
    say(`setup: pip install ${tools.join(' ')} into .venv`, options);
    await pipInstall('pip-tools', tools, options);
  }
  if (!existsSync(venvPython)) throw new SetupError(`${venvDir} is damaged`, `rm -r ${venvDir}`);
  done.write(JSON.stringify({ torch: torch.root, tools }));
}
