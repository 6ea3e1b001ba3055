// nvcc and what a torch was built for: whether the CUDA plugin can be compiled, and where it is
// put.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ask, which } from './steps.mjs';

/** '13.0' for a CUDA build of torch, null for a CPU build. */
export function cudaVersion(torchHome) {
  if (!existsSync(join(torchHome, 'lib', 'libtorch_cuda.so'))) return null;
  const text = readFileSync(join(torchHome, 'version.py'), 'utf8');
  return text.match(/^cuda\b[^=]*=\s*['"](\d+\.\d+)/m)?.[1] ?? null;
}

/** The plugin's place beside the core of its torch. */
export function cudaPluginPath(version) {
  return join(`cu${version.replace('.', '')}`, 'libdsrl_cuda.so');
}

/**
 * CUDA_HOME's nvcc, the PATH's, or the one where toolkits are installed; null when there is none.
 */
function findNvcc() {
  const { CUDA_HOME } = process.env;
  const own = CUDA_HOME ? join(CUDA_HOME, 'bin', 'nvcc') : '';
  const files = [own, which('nvcc'), '/usr/local/cuda/bin/nvcc'];
  return files.find((file) => file && existsSync(file)) ?? null;
}

/**
 * What the plugin of this torch is compiled with: `{ nvcc, release }`, or `{ why }` in words. The
 * toolkit must be of torch's major version: the kernels share torch's CUDA runtime.
 */
export function cudaCompiler(torchHome) {
  const wanted = cudaVersion(torchHome);
  if (wanted === null) return { why: 'a CPU build of torch' };
  const nvcc = findNvcc();
  if (nvcc === null) return { why: `no nvcc (install the CUDA toolkit ${wanted}, or CUDA_HOME)` };
  const release = ask(nvcc, ['--version'])?.match(/release (\d+\.\d+)/)?.[1] ?? 'unknown';
  if (Number.parseInt(release, 10) === Number.parseInt(wanted, 10)) return { nvcc, release };
  return { why: `torch was built for CUDA ${wanted}, and ${nvcc} is ${release}` };
}
