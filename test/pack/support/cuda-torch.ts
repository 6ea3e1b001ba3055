import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { inspectTorch } from '../../../lib/torch/inspect.js';
import { root, torchHome } from './tarball.js';

/**
 * A CUDA build of torch of another minor than the set-up's: DSRL_TEST_CUDA_TORCH, or what
 * `npm run check:cuda` has fetched; or in words why there is none.
 */
export function findCudaTorch(): { home: string; version: string } | { why: string } {
  const given = process.env.DSRL_TEST_CUDA_TORCH;
  const own = inspectTorch(torchHome());
  for (const home of given ? [given] : fetched()) {
    const torch = inspectTorch(home);
    if ('problem' in torch) continue;
    const isOther = 'minor' in own && own.minor !== torch.minor;
    if (torch.cuda !== null && isOther) return { home, version: torch.version };
  }
  return {
    why: `no CUDA build of another torch${given ? ` at ${given}` : ': npm run check:cuda'}`,
  };
}

/** build/cuda-venv-<version>/lib/python<X.Y>/site-packages/torch */
function fetched(): string[] {
  const build = join(root, 'build');
  const venvs = existsSync(build) ? readdirSync(build) : [];
  return venvs
    .filter((name) => name.startsWith('cuda-venv-'))
    .map((name) => join(build, name, 'lib'))
    .filter((lib) => existsSync(lib))
    .flatMap((lib) =>
      readdirSync(lib).map((python) => join(lib, python, 'site-packages', 'torch')),
    );
}
