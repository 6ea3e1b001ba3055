import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EnvironmentSetupError } from '../errors.js';
import { torchCache } from '../torch/cache.js';
import { findCores } from '../torch/cores.js';
import { inspectTorch, type TorchInfo } from '../torch/inspect.js';
import { environmentTorch } from '../torch/search.js';
import { currentSurroundings, type Surroundings } from '../torch/surroundings.js';
import { trialError, tryTorch } from '../torch/trial.js';
import { untilStopped } from './libero-export.js';
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
  cpu: 'about 190 MB to fetch, 1 GB on disk',
  cuda: 'about 3 GB to fetch, 6 GB on disk',
};

/**
 * Makes `<cache>/torch/<minor>`, a Python environment with a torch, unless it is there.
 *
 * @throws EnvironmentSetupError for each thing that can be missing, with what to type
 */
export function setupTorch(
  wish: TorchWish,
  around: Surroundings = currentSurroundings(),
): Promise<TorchReport> {
  const minor = wish.minor ?? findCores(around).at(-1)?.minor ?? TORCH_MINORS.at(-1) ?? '';
  const folder = join(torchCache(around), wish.cpu ? `${minor}-cpu` : minor);
  const say = (text: string) => void process.stderr.write(`setup: ${text}\n`);
  return untilStopped(async (signal) => {
    const program = join(folder, 'bin', 'python');
    const work: Work = { folder, program, wish, say, signal };
    if (isComplete(folder)) say(`the torch in ${folder} is there`);
    else await install(minor, work, around);
    return report(folder, say, around);
  });
}

async function install(minor: string, work: Work, around: Surroundings): Promise<void> {
  const { folder, say } = work;
  say(`a private torch ${minor} in ${folder}`);
  await makeEnvironment(work, around);
  const { version, isCuda } = chooseBuild(minor, work);
  const build = isCuda ? 'the CUDA build' : 'the CPU build';
  say(`torch ${version}, ${build}: ${isCuda ? SIZES.cuda : SIZES.cpu}; Ctrl-C stops`);
  await runAloud({
    ...work,
    what: 'fetching torch',
    words: [...pip(work.wish), '--progress-bar', 'off', '--no-color', `torch==${version}`],
    hint: 'see that pip reaches its index (pip config list), then type the same command again',
  });
  writeFileSync(`${stampOf(folder)}.new`, `${version}\n`);
  renameSync(`${stampOf(folder)}.new`, stampOf(folder));
}

/** Written when the torch is whole: an environment without it is gone on with. */
function stampOf(folder: string): string {
  return join(folder, 'dsrl-torch');
}

function isComplete(folder: string): boolean {
  const root = environmentTorch(folder);
  if (root === null || !existsSync(stampOf(folder))) return false;
  const torch = inspectTorch(root);
  return 'version' in torch && readFileSync(stampOf(folder), 'utf8').trim() === torch.version;
}

async function makeEnvironment(work: Work, around: Surroundings): Promise<void> {
  const { folder, program, wish } = work;
  if (existsSync(program) && wish.python === undefined) return;
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
  mkdirSync(folder, { recursive: true });
  rmSync(stampOf(folder), { force: true });
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
function chooseBuild(minor: string, { program, wish, say }: Work): Choice {
  say('asking pip which build there is');
  const dry = ['--dry-run', '--quiet', '--no-deps', '--ignore-installed', '--report', '-'];
  const asked = spawnSync(program, [...pip(wish), ...dry, `torch==${minor}.*`], {
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  if (asked.status !== 0) {
    const said = (asked.stderr ?? '').trim().split('\n').at(-1) ?? '';
    throw new EnvironmentSetupError(
      'ERR_DSRL_SETUP_FAILED',
      `pip finds no torch ${minor} for this Python: ${said}`,
      { hint: 'see that pip reaches its index (pip config list), or add --python, --index-url' },
    );
  }
  const { install } = JSON.parse(asked.stdout) as {
    install: { metadata: { version: string; requires_dist?: string[] } }[];
  };
  const { version = minor, requires_dist: needs = [] } = install[0]?.metadata ?? {};
  const isCuda = needs.some((name) => /^(nvidia-|cuda-|triton)/.test(name));
  if (!wish.cpu || !isCuda) return { version, isCuda };
  throw new EnvironmentSetupError(
    'ERR_DSRL_SETUP_CPU',
    `pip's index has the CUDA build of torch ${version} and not the CPU build`,
    {
      hint: [
        'name an index of CPU builds with --index-url URL (the start page of pytorch.org shows it),',
        `or leave --cpu out: ${SIZES.cuda}`,
      ].join('\n'),
    },
  );
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
