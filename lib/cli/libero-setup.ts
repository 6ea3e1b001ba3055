import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EnvironmentSetupError } from '../errors.js';
import { makeFolder } from '../folder.js';
import { liberoHome } from '../native/libero-home.js';
import { currentSurroundings, type Surroundings } from '../torch/surroundings.js';
import { type BundleReport, checkBundle } from './libero-check.js';
import { makeBundle, toolFolder, untilStopped } from './libero-export.js';
import { provideGl } from './libero-gl.js';
import { findLiberoPython } from './libero-python.js';
import { inCache } from './own-place.js';
import { runAloud } from './run-aloud.js';

interface Paths {
  home: string;
  venv: string;
  /** The Python inside the private environment. */
  program: string;
  bundle: string;
}

/**
 * `dsrl-native libero setup`: the private environment, its packages, the bundle. A stage leaves
 * a stamp of what it was made from when it is complete; a stage whose stamp fits is not done again.
 *
 * @param python the program that the environment is made with
 * @throws EnvironmentSetupError for each thing that can be missing, with what to type
 */
export function setupLibero(
  python: string | undefined,
  around: Surroundings = currentSurroundings(),
): Promise<BundleReport> {
  const home = liberoHome(around.env);
  const venv = join(home, 'venv');
  const program = join(venv, 'bin', 'python');
  const paths = { home, venv, program, bundle: join(home, 'bundle') };
  return untilStopped(async (signal) => {
    await stage(1, 'OpenGL for drawing', (say) => provideGl(say, signal, around));
    await stage(2, `Python environment ${venv}`, (say) =>
      makeEnvironment(paths, python, around, { say, signal }),
    );
    await stage(3, 'the original: LIBERO, robosuite, MuJoCo', (say) =>
      installPackages(paths, { say, signal }),
    );
    const report = await stage(4, `bundle ${paths.bundle}`, (say) =>
      provideBundle(paths, { say, signal }),
    );
    await stage(5, `the plugin for MuJoCo ${report.mujoco}`, (say) =>
      providePlugin(report, around, { say, signal }),
    );
    return report;
  });
}

/**
 * Whether the set-up will find a Python to make the environment with, where there is none yet.
 *
 * @throws EnvironmentSetupError ERR_DSRL_LIBERO_PYTHON
 */
export function checkLiberoPython(around: Surroundings = currentSurroundings()): void {
  const venv = join(liberoHome(around.env), 'venv');
  if (!environmentOf(venv).isMade) findLiberoPython(undefined, around);
}

const STAGES = 5;

interface Work {
  say: (text: string) => void;
  signal: AbortSignal;
}

async function stage<Result>(
  number: number,
  what: string,
  body: (say: (text: string) => void) => Promise<Result>,
): Promise<Result> {
  const say = (text: string) => process.stderr.write(`libero:   ${text}\n`);
  process.stderr.write(`libero: ${number}/${STAGES} ${what}\n`);
  return body(say);
}

async function makeEnvironment(
  { home, venv }: Paths,
  python: string | undefined,
  around: Surroundings,
  { say, signal }: Work,
): Promise<void> {
  const { stamp, isMade } = environmentOf(venv);
  if (isMade && python === undefined) return say('is there');
  const found = findLiberoPython(python, around);
  inCache(home, () => makeFolder(home));
  const words = ['-m', 'venv', '--clear', venv];
  const hint = "Python's venv module does not work here: install python3-venv, then start again";
  await runAloud({ what: 'making the environment', program: found, words, hint, say, signal });
  stamp.write();
}

/** Its program is there seconds before pip is: what was stopped in between is not made. */
function environmentOf(venv: string): { stamp: Stamp; isMade: boolean } {
  const stamp = new Stamp(join(venv, 'dsrl-environment'), 'made');
  const isWhole = stamp.fits() || existsSync(packagesStamp(venv));
  return { stamp, isMade: isWhole && existsSync(join(venv, 'bin', 'python')) };
}

function packagesStamp(venv: string): string {
  return join(venv, 'dsrl-packages');
}

async function installPackages({ venv, program }: Paths, work: Work): Promise<void> {
  const list = join(toolFolder(), 'requirements.txt');
  const stamp = new Stamp(packagesStamp(venv), sha256(list));
  if (stamp.fits()) return work.say('are there');
  work.say('about 800 MB to fetch, 2.1 GB on disk, some minutes');
  const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-input'];
  const quiet = ['--progress-bar', 'off', '--no-color'];
  await runAloud({
    what: 'installing the packages',
    program,
    words: [...pip, ...quiet, '-r', list],
    hint: 'see that pip reaches its index (pip config list), then: dsrl-native libero setup',
    ...work,
  });
  stamp.write();
}

async function provideBundle(
  { home, program, bundle }: Paths,
  { say, signal }: Work,
): Promise<BundleReport> {
  const sources = exporterSources().map((name) => join(toolFolder(), name));
  const made = new Stamp(join(home, 'bundle-made'), sha256(...sources));
  if (made.fits() && existsSync(bundle)) {
    try {
      const report = checkBundle(bundle);
      say('is there, and every file is as it was made');
      return report;
    } catch (error) {
      if (!(error instanceof EnvironmentSetupError)) throw error;
      say(`${error.message}: it is made again`);
    }
  }
  const report = await makeBundle(program, bundle, { lod: true, signal });
  made.write();
  return report;
}

/** What a bundle depends on: the exporter, all that it imports, and the packages. */
export function exporterSources(): string[] {
  const folder = toolFolder();
  const found = ['requirements.txt', 'export_bundle.py'];
  for (const name of found) {
    const text = readFileSync(join(folder, name), 'utf8');
    for (const [, module] of text.matchAll(/^(?:import|from) (\w+)/gm)) {
      const file = `${module}.py`;
      if (!found.includes(file) && existsSync(join(folder, file))) found.push(file);
    }
  }
  return found;
}

/** A checkout builds it against the bundle's headers; a package brings it. */
async function providePlugin(
  { bundle, mujoco }: BundleReport,
  { packageRoot }: Surroundings,
  { say, signal }: Work,
): Promise<void> {
  const name = `dsrl_libero_mujoco${mujoco}.so`;
  if (existsSync(join(packageRoot, 'build', 'libero', name))) return say('is there');
  const script = join(packageRoot, 'scripts', 'build-native.mjs');
  if (!existsSync(script)) return say('comes with the package');
  await runAloud({
    what: 'building the plugin',
    program: process.execPath,
    words: [script, '--libero'],
    env: { DSRL_LIBERO_BUNDLE: bundle },
    hint: 'type: npm run setup\nthen again: dsrl-native libero setup',
    say,
    signal,
  });
}

/** A file that says what a stage was made from, written when the stage is complete. */
class Stamp {
  constructor(
    private readonly file: string,
    private readonly content: string,
  ) {}

  fits(): boolean {
    return existsSync(this.file) && readFileSync(this.file, 'utf8') === this.content;
  }

  write(): void {
    writeFileSync(`${this.file}.new`, this.content);
    renameSync(`${this.file}.new`, this.file);
  }
}

function sha256(...files: string[]): string {
  const hash = createHash('sha256');
  for (const file of files) hash.update(readFileSync(file));
  return hash.digest('hex');
}
