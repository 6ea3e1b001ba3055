import {
  accessSync,
  constants,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { type Config, configToYaml } from '../config/index.js';
import { DsrlError, EnvironmentSetupError, reasonOf, UsageError } from '../errors.js';
import { isFolder, makeFolder } from '../folder.js';
import type { Runtime } from '../native/index.js';

/**
 * The folder of a new run: `<log_path>/<experiment_name>-<YYYYMMDD-HHMMSS>-s<seed>`, or `runDir`
 * itself. Finds out, without making anything, whether it can be made: a policy of several gigabytes
 * is opened after this.
 *
 * @returns the absolute path
 * @throws UsageError ERR_DSRL_RUN_EXISTS for a folder that holds something
 * @throws EnvironmentSetupError ERR_DSRL_RUN_UNWRITABLE
 */
export function chooseRunFolder(
  config: Config,
  runDir: string | undefined,
  now: Date = new Date(),
): string {
  const { log_path, experiment_name } = config.runner.logger;
  const name = `${experiment_name}-${timestamp(now)}-s${config.seed}`;
  const folder = resolve(runDir ?? join(log_path, name));
  let parent = folder;
  while (!existsSync(parent)) parent = dirname(parent);
  writing(folder, () => {
    refuseOccupied(folder);
    if (!statSync(parent).isDirectory()) throw new Error(`${parent} is not a folder`);
    accessSync(parent, constants.W_OK | constants.X_OK);
  });
  return folder;
}

/**
 * Makes the folder of a new run with its config.yaml and env.json.
 *
 * @throws UsageError ERR_DSRL_RUN_EXISTS, EnvironmentSetupError ERR_DSRL_RUN_UNWRITABLE
 */
export function createRunFolder(folder: string, config: Config, runtime: Runtime): void {
  const environment = { ...versions(runtime), ...machine(), began: new Date().toISOString() };
  writing(folder, () => {
    refuseOccupied(folder);
    makeFolder(join(folder, 'checkpoints'));
    writeFileSync(join(folder, 'config.yaml'), configToYaml(config));
    writeFileSync(join(folder, 'env.json'), `${JSON.stringify(environment, null, 2)}\n`);
  });
}

/** Whether the run has a checkpoint to go on from. */
export function hasCheckpoint(run: string): boolean {
  return entriesOf(join(run, 'checkpoints')).some((name) => name.startsWith('step_'));
}

/**
 * How a command that keeps its run in one folder begins: at the run's last checkpoint, or from
 * nothing. A run that was ended before its first checkpoint cannot be gone on with; what it left is
 * removed, else every later start would be refused.
 *
 * @param tell is told what was removed
 * @throws EnvironmentSetupError ERR_DSRL_RUN_UNWRITABLE where it cannot be removed
 */
export function goOnOrBegin(
  runDir: string,
  tell: (text: string) => void,
): { resume: string } | { runDir: string } {
  if (hasCheckpoint(runDir)) return { resume: runDir };
  if (isLeftover(runDir)) {
    writing(runDir, () => rmSync(runDir, { recursive: true }));
    tell(`the run in ${runDir} was ended before its first checkpoint: it begins anew`);
  }
  return { runDir };
}

/** What a run writes before its first checkpoint; a folder with anything else is not removed. */
const WRITTEN = [
  ...['checkpoints', 'config.yaml', 'env.json', 'run.log'],
  ...['metrics.jsonl', 'tensorboard', 'videos'],
];

function isLeftover(run: string): boolean {
  const names = entriesOf(run);
  return (
    names.includes('checkpoints') &&
    names.every((name) => WRITTEN.includes(name)) &&
    entriesOf(join(run, 'checkpoints')).every((name) => /^\.step_.*\.tmp$/.test(name))
  );
}

function entriesOf(folder: string): string[] {
  return isFolder(folder) ? readdirSync(folder) : [];
}

function writing(folder: string, body: () => void): void {
  try {
    body();
  } catch (cause) {
    if (cause instanceof DsrlError) throw cause;
    const reason = reasonOf(cause);
    throw new EnvironmentSetupError(
      'ERR_DSRL_RUN_UNWRITABLE',
      `cannot write the run folder ${folder}: ${reason}`,
      { hint: 'name a writable folder: --run-dir DIR, or runner.logger.log_path=DIR', cause },
    );
  }
}

function refuseOccupied(folder: string): void {
  if (!existsSync(folder)) return;
  if (statSync(folder).isDirectory() && readdirSync(folder).length === 0) return;
  throw new UsageError('ERR_DSRL_RUN_EXISTS', `the run folder ${folder} exists already`, {
    hint: `go on from it with \`--resume ${folder}\`, or name another with \`--run-dir DIR\``,
  });
}

/** Versions of what computes; they stand in env.json and in every checkpoint. */
export function versions(runtime: Runtime): Record<string, string> {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(manifest) as { version: string };
  return {
    'dsrl-native': version,
    node: process.versions.node,
    torch: runtime.torchVersion,
    device: runtime.device,
  };
}

function machine() {
  return {
    platform: `${process.platform}-${process.arch}`,
    cores: availableParallelism(),
    memory: totalmem(),
  };
}

/** Local time as YYYYMMDD-HHMMSS. */
function timestamp(date: Date): string {
  const two = (value: number) => String(value).padStart(2, '0');
  const day = `${date.getFullYear()}${two(date.getMonth() + 1)}${two(date.getDate())}`;
  return `${day}-${two(date.getHours())}${two(date.getMinutes())}${two(date.getSeconds())}`;
}
