import { existsSync, renameSync, rmSync } from 'node:fs';
import { availableParallelism, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { UsageError } from '../errors.js';
import { makeFolder } from '../folder.js';
import { builtFolder } from '../torch/cache.js';
import { inspectTorch, type TorchInfo } from '../torch/inspect.js';
import { requireGlibcLinux } from '../torch/platform.js';
import { currentSurroundings, type Surroundings } from '../torch/surroundings.js';
import { trialError, tryTorch } from '../torch/trial.js';
import { type BuildTools, findBuildTools } from './build-tools.js';
import { untilStopped } from './libero-export.js';
import { alone, inCache } from './own-place.js';
import { runAloud } from './run-aloud.js';
import { TORCH_MINORS } from './setup-torch.js';

export interface BuildReport {
  core: string;
  torch: string;
  version: string;
}

/** One compiler of this code takes so much at its peak. */
const BYTES_PER_COMPILER = 2 * 1024 ** 3;

/**
 * Compiles loader and core for a torch into the user's cache. A build that was stopped is gone on
 * with; what is put in place is whole, and has been opened with that torch.
 *
 * @param torchHome the folder of a torch package
 * @throws UsageError ERR_DSRL_BUILD_TORCH for a folder that cannot be compiled against;
 *   EnvironmentSetupError ERR_DSRL_BUILD_TOOLS, ERR_DSRL_PLATFORM, ERR_DSRL_CACHE,
 *   ERR_DSRL_SETUP_FAILED
 */
export async function buildCore(
  torchHome: string,
  around: Surroundings = currentSurroundings(),
): Promise<BuildReport> {
  requireGlibcLinux('the native code compiles');
  const torch = checkTorch(torchHome);
  const tools = findBuildTools(around);
  const folder = builtFolder(around);
  const say = (text: string) => void process.stderr.write(`build: ${text}\n`);
  const work = join(folder, `work-${torch.minor}`);
  const name = join(`torch${torch.minor}`, 'dsrl_core.node');
  if (!TORCH_MINORS.includes(torch.minor)) {
    say(`written for torch ${TORCH_MINORS.join(', ')}: it may not compile for ${torch.minor}`);
  }
  return untilStopped((signal) =>
    alone({ folder: work, lock: `${work}.lock` }, { say, signal }, async () => {
      say(
        `compiling for torch ${torch.version} into ${folder}; some minutes, 1 GB of disk meanwhile`,
      );
      inCache(folder, () => makeFolder(work));
      await compile(torch, tools, work, { packageRoot: around.packageRoot, say, signal });
      const core = { minor: torch.minor, file: join(work, 'out', name) };
      const { failure } = tryTorch(torch, core, around);
      if (failure !== null) throw trialError(failure);
      inCache(folder, () => putInPlace(work, folder, name));
      return { core: join(folder, name), torch: torch.root, version: torch.version };
    }),
  );
}

function putInPlace(work: string, folder: string, core: string): void {
  for (const file of [join('Release', 'dsrl-native.node'), core]) {
    makeFolder(dirname(join(folder, file)));
    renameSync(join(work, 'out', file), join(folder, file));
  }
  rmSync(work, { recursive: true });
}

function checkTorch(torchHome: string): TorchInfo {
  const torch = inspectTorch(torchHome);
  const refuse = (why: string) =>
    new UsageError('ERR_DSRL_BUILD_TORCH', `cannot compile for ${torchHome}: ${why}`, {
      hint: 'give --torch-home the folder that holds version.py, include/ and lib/',
    });
  if ('problem' in torch) throw refuse(torch.problem);
  const needed = ['version.py', join('include', 'ATen', 'ATen.h'), join('lib', 'libc10.so')];
  const missing = needed.find((file) => !existsSync(join(torch.root, file)));
  if (missing !== undefined) throw refuse(`no ${missing} in it`);
  return torch;
}

async function compile(
  torch: TorchInfo,
  { compiler, cmake, ninja, headers }: BuildTools,
  work: string,
  shared: { packageRoot: string; say: (text: string) => void; signal: AbortSignal },
): Promise<void> {
  const generator =
    ninja === null ? ['Unix Makefiles'] : ['Ninja', `-DCMAKE_MAKE_PROGRAM=${ninja}`];
  const hint = `mend what it says above, or remove ${work}; then type the same command again`;
  const run = { program: cmake, hint, ...shared };
  const configure = [
    ...['-S', shared.packageRoot, '-B', work, '-G', ...generator],
    `-DCMAKE_CXX_COMPILER=${compiler}`,
    '-DCMAKE_BUILD_TYPE=Release',
    `-DDSRL_TORCH_HOME=${torch.root}`,
    `-DDSRL_NODE_INCLUDE=${headers.join(';')}`,
    `-DDSRL_OUTPUT_DIR=${join(work, 'out')}`,
    '-DDSRL_ADDON=ON',
    '-DDSRL_TESTS=OFF',
  ];
  await runAloud({ ...run, what: 'configuring', words: configure });
  const fitting = Math.floor(totalmem() / BYTES_PER_COMPILER);
  const jobs = Math.max(1, Math.min(availableParallelism(), fitting));
  const targets = ['dsrl_loader', 'dsrl_core_node'].flatMap((name) => ['--target', name]);
  const words = ['--build', work, '--parallel', `${jobs}`, ...targets];
  await runAloud({ ...run, what: 'compiling', words });
}
