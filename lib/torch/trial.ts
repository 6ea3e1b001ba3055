import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { EnvironmentSetupError } from '../errors.js';
import { makeFolder } from '../folder.js';
import { cacheFolder } from './cache.js';
import type { Core } from './cores.js';
import type { TorchInfo } from './inspect.js';
import { packageVersion } from './platform.js';
import { packageRoot, type Surroundings } from './surroundings.js';

/**
 * What became of a torch and a core that were opened together; `failure` is null where they work.
 */
export interface Verdict {
  failure: { code: `ERR_DSRL_${string}`; message: string; hint: string } | null;
}

const WORKS: Verdict = { failure: null };
const TIMEOUT_MS = 120_000;

/**
 * Opens a torch and its core in a child process: a library that is damaged, or is another version
 * than it says, can end the process that opens it, and a process that has opened one libtorch can
 * open no other. The verdict is kept in the user's cache until torch's libraries, the core, the
 * package, Node or what the dynamic linker is told are another; the torch that a checkout was built
 * against needs none.
 */
export function tryTorch(torch: TorchInfo, core: Core, around: Surroundings): Verdict {
  if (torch.root === builtAgainst(around)) return WORKS;
  const file = verdictFile(torch, core, around);
  const known = readVerdict(file);
  if (known !== null) return known;
  const { verdict, isFinal } = runTrial(torch, core, around);
  if (isFinal) writeVerdict(file, verdict);
  return verdict;
}

/** The torch that `npm run setup` built this checkout's core against. */
function builtAgainst({ packageRoot }: Surroundings): string | null {
  try {
    const text = readFileSync(join(packageRoot, 'build', 'torch.json'), 'utf8');
    return String((JSON.parse(text) as { root: unknown }).root);
  } catch {
    return null;
  }
}

function verdictFile(torch: TorchInfo, core: Core, around: Surroundings): string {
  const identity = [
    packageVersion(around.packageRoot),
    process.versions.node,
    process.arch,
    torch.root,
    torch.version,
    ...['LD_LIBRARY_PATH', 'LD_PRELOAD'].map((name) => `${name}=${around.env[name] ?? ''}`),
    // All of them: while pip unpacks a torch those that are there already do not open.
    ...[...librariesIn(torch.libDir), core.file].map((file) => {
      const { size = 0, mtimeMs = 0 } = statSync(file, { throwIfNoEntry: false }) ?? {};
      return `${file} ${size} ${mtimeMs}`;
    }),
  ];
  const name = createHash('sha256').update(identity.join('\n')).digest('hex').slice(0, 32);
  return join(cacheFolder(around), 'verdicts', `${name}.json`);
}

function librariesIn(folder: string): string[] {
  const names = readdirSync(folder).filter((name) => name.includes('.so'));
  return names.sort().map((name) => join(folder, name));
}

/**
 * Lets torches that did not open be tried again: what they lacked may be outside of torch, as a
 * library of the system, and no verdict knows of that.
 */
export function forgetFailures(around: Pick<Surroundings, 'env' | 'home'>): void {
  const folder = join(cacheFolder(around), 'verdicts');
  try {
    for (const name of readdirSync(folder)) {
      const file = join(folder, name);
      if (readVerdict(file)?.failure !== null) rmSync(file, { force: true });
    }
  } catch {} // no cache, or none that can be changed
}

function readVerdict(file: string): Verdict | null {
  try {
    const { failure } = JSON.parse(readFileSync(file, 'utf8')) as Partial<Verdict>;
    if (failure === null) return WORKS;
    return typeof failure?.message === 'string' ? { failure } : null;
  } catch {
    return null;
  }
}

/** A cache that cannot be written costs the next process a trial, and nothing else. */
function writeVerdict(file: string, verdict: Verdict): void {
  try {
    makeFolder(dirname(file));
    writeFileSync(`${file}.${process.pid}`, JSON.stringify(verdict));
    renameSync(`${file}.${process.pid}`, file);
  } catch {}
}

/** `isFinal`: the next trial would end alike. */
function runTrial(
  torch: TorchInfo,
  core: Core,
  around: Surroundings,
): { verdict: Verdict; isFinal: boolean } {
  const program = join(packageRoot(), 'dist', 'torch', 'trial-child.js');
  const request = JSON.stringify({ torch, coreFile: core.file, around: placesOf(around) });
  const { status, signal, stdout, error } = spawnSync(process.execPath, [program, request], {
    encoding: 'utf8',
    // In Electron the program is Electron itself, which is Node only when it is told so.
    env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: TIMEOUT_MS,
  });
  if (status === 0) {
    const verdict = JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Verdict;
    return { verdict, isFinal: true };
  }
  // No child could be started, or it met something else than this torch, which will show here too.
  if (signal === null) return { verdict: WORKS, isFinal: false };
  const late = (error as NodeJS.ErrnoException | undefined)?.code === 'ETIMEDOUT';
  const how = late ? `took more than ${TIMEOUT_MS / 1000} s` : `ended with ${signal}`;
  const failure = {
    code: 'ERR_DSRL_TORCH_CRASH' as const,
    message: `opening torch ${torch.version} at ${torch.root} in a process of its own ${how}`,
    hint: [
      'fix one of:',
      '  reinstall that torch, or name another with DSRL_TORCH_HOME',
      `  compile a core for it here: dsrl-native build --torch-home ${torch.root}`,
    ].join('\n'),
  };
  // Out of memory and out of time may pass.
  return { verdict: { failure }, isFinal: !late && signal !== 'SIGKILL' };
}

/** The places alone: a whole environment may be longer than an argument can be. */
function placesOf({ env, home, packageRoot }: Surroundings) {
  return { env: { XDG_CACHE_HOME: env.XDG_CACHE_HOME }, home, packageRoot };
}

/** The failure as the error that the same torch would have caused in this process. */
export function trialError(failure: NonNullable<Verdict['failure']>): EnvironmentSetupError {
  return new EnvironmentSetupError(failure.code, failure.message, { hint: failure.hint });
}
