import {
  accessSync,
  closeSync,
  constants,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';

/** A libtorch on disk, as far as its files tell. Nothing is loaded to learn it. */
export interface TorchInfo {
  /** The folder of the package: it holds lib/, and include/ when one can build against it. */
  root: string;
  libDir: string;
  /** The whole version, for instance `2.13.0+cpu`. */
  version: string;
  /** Major and minor, for instance `2.13`: a core fits exactly one. */
  minor: string;
  /** The CUDA version that it was built for; null where libtorch_cuda.so is not there. */
  cuda: string | null;
}

export interface NoTorch {
  problem: string;
}

/** Where a version is written: in wheels, in libtorch archives, and in system packages. */
const VERSION_FILES: readonly (readonly [path: string, pattern: RegExp])[] = [
  ['version.py', /^__version__\s*=\s*['"]([^'"]+)['"]/m],
  ['build-version', /^(\S+)\s*$/m],
  ['include/torch/version.h', /^#define TORCH_VERSION "([^"]+)"/m],
  ['include/torch/headeronly/version.h', /^#define TORCH_VERSION "([^"]+)"/m],
  ['include/torch/csrc/api/include/torch/version.h', /^#define TORCH_VERSION "([^"]+)"/m],
];

/** Reads what lies in `root`; a folder that cannot be used comes back as `problem`, in words. */
export function inspectTorch(folder: string, libraries?: string): TorchInfo | NoTorch {
  const root = resolve(folder);
  const libDir = libraries ?? join(root, 'lib');
  if (!existsSync(root)) return { problem: 'no such folder' };
  try {
    if (!statSync(root).isDirectory()) return { problem: 'is a file, not the folder of a torch' };
    accessSync(root, constants.R_OK | constants.X_OK);
    const files = existsSync(libDir) ? readdirSync(libDir) : [];
    if (!files.includes('libtorch_cpu.so')) return { problem: whatElse(root) };
    const machine = machineOf(join(libDir, 'libtorch_cpu.so'));
    const own = machineOf(process.execPath);
    if (machine !== null && own !== null && machine !== own) {
      return { problem: `its libraries are for another processor than this ${process.arch}` };
    }
    const version = readVersion(root);
    const minor = version?.match(/^(\d+\.\d+)\./)?.[1];
    if (version === null || minor === undefined) return { problem: 'its version is not written' };
    const cuda = files.includes('libtorch_cuda.so') ? readCuda(root, version) : null;
    return { root, libDir, version, minor, cuda };
  } catch (error) {
    return { problem: `cannot be read (${(error as NodeJS.ErrnoException).code})` };
  }
}

/** Why there is no lib/libtorch_cpu.so: often a neighbour of the right folder was named. */
function whatElse(root: string): string {
  const without = 'no lib/libtorch_cpu.so in it';
  if (existsSync(join(root, 'lib', 'libtorch_cpu.dylib'))) return 'a torch for macOS';
  if (existsSync(join(root, 'lib', 'torch_cpu.dll'))) return 'a torch for Windows';
  if (basename(root) === 'lib' && existsSync(join(root, 'libtorch_cpu.so'))) {
    return `${without}: name the folder above it, ${dirname(root)}`;
  }
  const inner = join(root, 'torch');
  if (existsSync(join(inner, 'lib', 'libtorch_cpu.so'))) return `${without}: name ${inner}`;
  return without;
}

/** What processor an ELF file is for, its `e_machine`; null for what is none. */
function machineOf(file: string): number | null {
  const header = Buffer.alloc(20);
  const fd = openSync(file, 'r');
  try {
    if (readSync(fd, header, 0, header.length, 0) < header.length) return null;
  } finally {
    closeSync(fd);
  }
  return header.readUInt32BE(0) === 0x7f454c46 ? header.readUInt16LE(18) : null;
}

function readVersion(root: string): string | null {
  for (const [path, pattern] of VERSION_FILES) {
    const file = join(root, path);
    const version = existsSync(file) ? readFileSync(file, 'utf8').match(pattern)?.[1] : undefined;
    if (version !== undefined) return version;
  }
  return null;
}

/** `cuda: Optional[str] = '13.0'` in version.py; an archive has only the suffix `+cu130`. */
function readCuda(root: string, version: string): string {
  const file = join(root, 'version.py');
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const written = text.match(/^cuda\b[^=]*=\s*['"]([\d.]+)['"]/m)?.[1];
  if (written !== undefined) return written;
  const suffix = version.match(/\+cu(\d+)(\d)$/);
  return suffix ? `${suffix[1]}.${suffix[2]}` : 'unknown';
}
