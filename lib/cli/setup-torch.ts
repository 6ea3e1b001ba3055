import { execFile } from 'node:child_process';
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { promisify } from 'node:util';
import { EnvironmentSetupError, reasonOf } from '../errors.js';
import { makeFolder } from '../folder.js';
import { cacheFolder, completeStamp, torchCache } from '../torch/cache.js';
import { findCores } from '../torch/cores.js';
import { inspectTorch, type TorchInfo } from '../torch/inspect.js';
import { requireGlibcLinux } from '../torch/platform.js';
import { environmentTorch, runPython } from '../torch/search.js';
import { currentSurroundings, type Surroundings } from '../torch/surroundings.js';
import { trialError, tryTorch } from '../torch/trial.js';
import { untilStopped } from './libero-export.js';
import { alone, cacheError, inCache } from './own-place.js';
import { runAloud } from './run-aloud.js';
import { findVenvPython } from './venv-python.js';

/** The minors of torch that the native code compiles and runs with. */
export const TORCH_MINORS: readonly string[] = ['2.11', '2.12', '2.13', '2.14'];

export interface TorchWish {
  /** Default: the newest that this package has a core for. */
  minor?: string | undefined;
  /** The CPU build; otherwise whichever pip's index has. */
  cpu: boolean;
  python?: string | undefined;
  indexUrl?: string | undefined;
}

export interface TorchReport {
  root: string;
  version: string;
  cuda: string | null;
  /** The core that it is used with; null: `dsrl-native build` compiles one. */
  core: string | null;
}

interface Work {
  folder: string;
  program: string;
  wish: TorchWish;
  say: (text: string) => void;
  signal: AbortSignal;
}

/** What pip would install. */
interface Choice {
  version: string;
  isCuda: boolean;
}

/** A torch of its own costs this much, to fetch and on disk. */
const SIZES = {
  cpu: { words: 'about 190 MB to fetch, 1 GB on disk', bytes: 1e9 },
  cuda: { words: 'about 3 GB to fetch, 6 GB on disk', bytes: 6e9 },
};

/**
 * Makes `<cache>/torch/<minor>`, a Python environment with a torch, unless it is there.
 *
 * @throws EnvironmentSetupError for each thing that can be missing, with what to type
 */
export async function setupTorch(
  wish: TorchWish,
  around: Surroundings = currentSurroundings(),
): Promise<TorchReport> {
  requireGlibcLinux('a torch for this package runs');
  const minor = wish.minor ?? findCores(around).at(-1)?.minor ?? TORCH_MINORS.at(-1) ?? '';
  const folder = join(torchCache(around), wish.cpu ? `${minor}-cpu` : minor);
  const say = (text: string) => void process.stderr.write(`setup: ${text}\n`);
  return untilStopped(async (signal) => {
    const program = join(folder, 'bin', 'python');
    const work: Work = { folder, program, wish, say, signal };
    const lock = join(cacheFolder(around), `setup-${basename(folder)}.lock`);
    if (isComplete(folder)) say(`the torch in ${folder} is there`);
    else {
      await alone({ folder, lock }, work, async () => {
        // Another process may have made it while this one waited.
        if (!isComplete(folder)) await install(minor, work, around);
      });
    }
    return report(folder, say, around);
  });
}

async function install(minor: string, work: Work, around: Surroundings): Promise<void> {
  const { folder, say } = work;
  say(`a private torch ${minor} in ${folder}`);
  await makeEnvironment(work, around);
  const { version, isCuda } = await chooseBuild(minor, work);
  const build = isCuda ? 'the CUDA build' : 'the CPU build';
  const size = isCuda ? SIZES.cuda : SIZES.cpu;
  checkRoom(folder, size.bytes, around);
  say(`torch ${version}, ${build}: ${size.words}; Ctrl-C stops`);
  await runAloud({
    ...work,
    what: 'fetching torch',
    words: [...pip(work.wish), '--progress-bar', 'off', '--no-color', `torch==${version}`],
    hint: 'see that pip reaches its index (pip config list), then type the same command again',
  });
  const torch = inspectTorch(environmentTorch(folder) ?? folder);
  if ('problem' in torch) return; // `report` says it
  // Its own word for itself: a wheel 2.14.1 of the CUDA build calls itself 2.14.1+cu130.
  const stamp = completeStamp(folder);
  inCache(folder, () => {
    writeFileSync(`${stamp}.new`, `${torch.version}\n`);
    renameSync(`${stamp}.new`, stamp);
  });
}

/** pip would find out behind some gigabytes. What was unpacked before has its room already. */
function checkRoom(folder: string, needed: number, { freeBytes }: Surroundings): void {
  if (environmentTorch(folder) !== null) return;
  const free = freeBytes(folder);
  if (free >= needed) return;
  const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(1)} GB`;
  throw cacheError(
    `${folder} has room for ${gigabytes(free)}, and torch takes ${gigabytes(needed)}`,
  );
}

function isComplete(folder: string): boolean {
  const root = environmentTorch(folder);
  if (root === null || !existsSync(completeStamp(folder))) return false;
  const torch = inspectTorch(root);
  return 'version' in torch && readFileSync(completeStamp(folder), 'utf8').trim() === torch.version;
}

async function makeEnvironment(work: Work, around: Surroundings): Promise<void> {
  const { folder, program, wish, say } = work;
  if (existsSync(program) && wish.python === undefined) {
    // One that was stopped while it was made has a Python, and no pip yet.
    if ('said' in runPython(program, 'import pip; print(1)', around.env)) return;
    say('its environment is not whole: it is made again');
  }
  const python = findVenvPython(
    {
      code: 'ERR_DSRL_SETUP_PYTHON',
      purpose: 'fetching torch',
      oldest: 11,
      newest: 14,
      programs: ['python3.12', 'python3.11', 'python3.13', 'python3', 'python3.14', 'python'],
    },
    wish.python,
    around,
  );
  inCache(folder, () => {
    makeFolder(folder);
    rmSync(completeStamp(folder), { force: true });
  });
  await runAloud({
    ...work,
    what: 'making the environment',
    program: python,
    words: ['-m', 'venv', '--clear', folder],
    hint: "Python's venv module does not work here: install python3-venv, then start again",
  });
}

function pip({ indexUrl }: TorchWish): string[] {
  const index = indexUrl === undefined ? [] : ['--index-url', indexUrl];
  return ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-input', ...index];
}

/**
 * Asks pip what it would install, which costs no more than the wheel's description, so that a user
 * who wants 190 MB does not wait for 3 GB.
 */
async function chooseBuild(minor: string, work: Work): Promise<Choice> {
  const { wish, say } = work;
  say('asking pip which build there is');
  const wheel = await askPip(minor, work);
  const { version = minor, requires_dist: needs = [] } = wheel ?? {};
  const isCuda = needs.some((name) => /^(nvidia-|cuda-|triton)/.test(name));
  if (!wish.cpu || !isCuda) return { version, isCuda };
  throw new EnvironmentSetupError(
    'ERR_DSRL_SETUP_CPU',
    `pip's index has the CUDA build of torch ${version} and not the CPU build`,
    {
      hint: [
        'name an index of CPU builds with --index-url URL (the start page of pytorch.org shows it),',
        `or leave --cpu out: ${SIZES.cuda.words}`,
      ].join('\n'),
    },
  );
}

interface Wheel {
  version: string;
  requires_dist?: string[];
}

async function askPip(minor: string, { program, wish, signal }: Work): Promise<Wheel | undefined> {
  const dry = ['--dry-run', '--quiet', '--no-deps', '--ignore-installed', '--report', '-'];
  const words = [...pip(wish), ...dry, `torch==${minor}.*`];
  try {
    const { stdout } = await promisify(execFile)(program, words, { signal, maxBuffer: 1 << 26 });
    const { install } = JSON.parse(stdout) as { install: { metadata: Wheel }[] };
    return install[0]?.metadata;
  } catch (cause) {
    signal.throwIfAborted();
    const { stderr = '' } = cause as { stderr?: string };
    const said = stderr.trim().split('\n').at(-1) || reasonOf(cause);
    // Without a network pip ends with `no matching distribution`, as if there were no such torch.
    const isOffline = /Retrying \(|NewConnectionError|Could not fetch URL/.test(stderr);
    const what = isOffline ? 'pip does not reach its index' : `pip finds no torch ${minor}`;
    throw new EnvironmentSetupError('ERR_DSRL_SETUP_FAILED', `${what}: ${said}`, {
      hint: isOffline
        ? 'see that this machine has a network, and what pip is told of it: pip config list'
        : 'add --python FILE, another Python 3.11 - 3.14, or --index-url URL, another index',
      cause,
    });
  }
}

function report(folder: string, say: Work['say'], around: Surroundings): TorchReport {
  const torch = inspectTorch(environmentTorch(folder) ?? folder);
  if ('problem' in torch) {
    throw new EnvironmentSetupError('ERR_DSRL_SETUP_FAILED', `${folder}: ${torch.problem}`, {
      hint: `rm -r ${folder}\nthen type the same command again`,
    });
  }
  const core = coreFor(torch, around);
  if (core === null) {
    say(`this package has no core for torch ${torch.minor}`);
    say(`type: dsrl-native build --torch-home ${torch.root}`);
  }
  const { root, version, cuda } = torch;
  return { root, version, cuda, core };
}

function coreFor(torch: TorchInfo, around: Surroundings): string | null {
  const core = findCores(around).find(({ minor }) => minor === torch.minor);
  if (core === undefined) return null;
  const { failure } = tryTorch(torch, core, around);
  if (failure !== null) throw trialError(failure);
  return core.file;
}
