import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { DsrlError, type TorchAttempt } from '../errors.js';
import { type Core, findCores } from '../torch/cores.js';
import { cudaPluginFile } from '../torch/cuda-plugin.js';
import { formatCudaVersion, whyNoCuda } from '../torch/device.js';
import { findTorchWithCore, loadNative, torchJudge } from '../torch/load.js';
import { type CudaDriver, openLoader } from '../torch/loader.js';
import { isCheckout } from '../torch/not-found.js';
import { describePlatform, packageVersion } from '../torch/platform.js';
import { type FoundTorch, surveyTorch } from '../torch/resolve.js';
import { currentSurroundings, type Surroundings } from '../torch/surroundings.js';
import { forgetFailures } from '../torch/trial.js';
import { parseCommand, usageError } from './arguments.js';

const HELP = `Usage: dsrl-native doctor [--json]

Shows what training needs and what this machine has: torch and where it was looked for, the cores of
this package, CUDA, Python, ffmpeg. Nothing is changed; a torch that did not open is tried again.

  --json   the same as one JSON object, to paste into an issue

Exit code: 0 when training on the CPU would work, 3 when it would not.

Examples:
  dsrl-native doctor
  dsrl-native doctor --json | jq .torch
`;

/** Something that works, or the words why it does not. */
interface Check {
  ok: boolean;
  detail: string;
  hint?: string;
}

interface DoctorReport {
  /** Training on the CPU would work. */
  ok: boolean;
  version: string;
  checkout: boolean;
  node: string;
  napi: string;
  platform: string;
  loader: Check;
  cores: Core[];
  torch: { chosen: FoundTorch | null; attempts: TorchAttempt[] };
  /** The core was opened on that torch, whose own version number fits. */
  core: Check;
  cuda: {
    /** The CUDA version that the torch was built for; null: a CPU build. */
    build: string | null;
    driver: CudaDriver | null;
    usable: Check;
    /** Our kernels for that torch; without them its own operators compute. */
    plugin: Check;
  };
  threads: { available: number; OMP_NUM_THREADS: string | null; MKL_NUM_THREADS: string | null };
  python: Check;
  ffmpeg: Check;
}

/** `dsrl-native doctor`: exit code 0 when training on the CPU would work, 3 when it would not. */
export async function runDoctor(argv: string[]): Promise<number> {
  const { values, positionals } = await parseCommand('doctor', argv, { json: { type: 'boolean' } });
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  if (positionals.length > 0) throw usageError('doctor', `\`${positionals[0]}\` is too much`);
  const around = currentSurroundings();
  forgetFailures(around);
  const report = examine(around);
  process.stdout.write(values.json ? `${JSON.stringify(report, null, 2)}\n` : formatReport(report));
  return report.ok ? 0 : 3;
}

function examine(around: Surroundings): DoctorReport {
  const cores = findCores(around);
  const { refuse } = torchJudge(cores, around);
  const attempts = surveyTorch({ refuse }, around);
  const found = attempt(() => findTorchWithCore(undefined, around));
  const chosen = found?.torch ?? null;
  const driver = attempt(() => openLoader(around).cudaDriver());
  const loader = check(() => `glibc ${openLoader(around).glibcVersion()}`);
  const core = check(() => {
    const native = loadNative({ device: 'cpu' }, around);
    return `built for torch ${native.core.torchVersion}, opened on ${native.torch.version}`;
  });
  const { OMP_NUM_THREADS = null, MKL_NUM_THREADS = null } = around.env;
  return {
    ok: core.ok,
    version: packageVersion(around.packageRoot),
    checkout: isCheckout(around.packageRoot),
    node: process.versions.node,
    napi: process.versions.napi ?? 'unknown',
    platform: describePlatform(),
    loader,
    cores,
    torch: { chosen, attempts },
    core,
    cuda: {
      build: chosen?.cuda ?? null,
      driver,
      usable: cudaCheck(chosen, driver),
      plugin: pluginCheck(found),
    },
    threads: { available: availableParallelism(), OMP_NUM_THREADS, MKL_NUM_THREADS },
    python: pythonCheck(around),
    ffmpeg: programCheck(
      'ffmpeg',
      ['-version'],
      'not found: videos are made by h264-mp4-encoder, more slowly',
    ),
  };
}

function attempt<Result>(body: () => Result): Result | null {
  try {
    return body();
  } catch (error) {
    if (error instanceof DsrlError) return null;
    throw error;
  }
}

function check(body: () => string): Check {
  try {
    return { ok: true, detail: body() };
  } catch (error) {
    if (error instanceof DsrlError) return { ok: false, detail: error.message, hint: error.hint };
    throw error;
  }
}

function cudaCheck(torch: FoundTorch | null, driver: CudaDriver | null): Check {
  if (torch === null || driver === null) return { ok: false, detail: 'no torch to use it' };
  const reason = whyNoCuda(torch, driver);
  if (reason !== null) return { ok: false, detail: reason };
  const served = formatCudaVersion(driver.version);
  return { ok: true, detail: `${driver.devices} GPU(s), the driver serves CUDA ${served}` };
}

function pluginCheck(found: ReturnType<typeof findTorchWithCore> | null): Check {
  const file = found && cudaPluginFile(found.coreFile, found.torch);
  if (found === null || file === null) return { ok: false, detail: 'no CUDA build of torch' };
  if (existsSync(file)) return { ok: true, detail: file };
  const { minor, cuda } = found.torch;
  const detail = `no kernels for torch ${minor} with CUDA ${cuda}: its own operators compute`;
  return { ok: false, detail };
}

/** The Python of the tools in python/: the checkout's own, else the first on the PATH. */
function pythonCheck({ packageRoot }: Surroundings): Check {
  const own = join(packageRoot, '.venv', 'bin', 'python');
  const program = existsSync(own) ? own : 'python3';
  return programCheck(program, ['--version'], 'not found: only the tools in python/ need it');
}

function programCheck(program: string, args: string[], absent: string): Check {
  const { status, stdout } = spawnSync(program, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: 20_000,
  });
  if (status !== 0) return { ok: false, detail: absent };
  return { ok: true, detail: `${stdout.split('\n')[0]?.split(' Copyright')[0]} (${program})` };
}

type Row = [label: string, ok: boolean, lines: string[]];

function formatReport(report: DoctorReport): string {
  const { chosen, attempts } = report.torch;
  const { available, OMP_NUM_THREADS, MKL_NUM_THREADS } = report.threads;
  const limits = [
    OMP_NUM_THREADS === null ? '' : `, OMP_NUM_THREADS=${OMP_NUM_THREADS}`,
    MKL_NUM_THREADS === null ? '' : `, MKL_NUM_THREADS=${MKL_NUM_THREADS}`,
  ].join('');
  const place = report.checkout ? ' (a checkout)' : '';
  const cores = report.cores.map(({ minor, file }) => `torch ${minor}  ${file}`);
  const sources = Math.max(...attempts.map(({ source }) => source.length));
  const { build, usable, plugin } = report.cuda;
  const rows: Row[] = [
    ['package', true, [`dsrl-native ${report.version}${place}`]],
    ['node', true, [`${report.node}, Node-API ${report.napi}`]],
    ['platform', true, [report.platform]],
    ['loader', report.loader.ok, [report.loader.detail]],
    ['cores', cores.length > 0, cores.length > 0 ? cores : ['none']],
    ['torch', chosen !== null, [chosen ? `${chosen.version}  ${chosen.root}` : 'none']],
    ['looked at', true, attempts.map((it) => `${it.source.padEnd(sources)}  ${it.verdict}`)],
    ['core', report.core.ok, [report.core.detail]],
    ['cuda', usable.ok, [usable.detail]],
    ...(build === null ? [] : [['kernels', plugin.ok, [plugin.detail]] as Row]),
    ['threads', true, [`${available}${limits}`]],
    ['python', report.python.ok, [report.python.detail]],
    ['ffmpeg', report.ffmpeg.ok, [report.ffmpeg.detail]],
  ];
  const table = rows.flatMap(([label, ok, lines]) =>
    lines.map((line, i) => `${i === 0 ? `${ok ? '+' : '-'} ${label}` : ''}`.padEnd(13) + line),
  );
  const verdict = report.ok
    ? 'training on the CPU works here'
    : `training does not work here: ${report.core.detail}\n${report.core.hint}`;
  return `${[...table, verdict].join('\n')}\n`;
}
