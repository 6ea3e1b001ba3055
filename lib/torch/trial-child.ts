/** The program that `tryTorch` starts: opens a torch and a core, calls it, and prints a verdict. */
import { DsrlError } from '../errors.js';
import { openLoader } from './loader.js';
import { type CoreModule, checkAbi, openCore, openTorch } from './open.js';
import type { TorchInfo } from './resolve.js';
import type { Surroundings } from './surroundings.js';
import type { Verdict } from './trial.js';

interface Request {
  torch: TorchInfo;
  coreFile: string;
  around: Pick<Surroundings, 'env' | 'home' | 'packageRoot'>;
}

/** A call that makes a tensor: a core on the wrong torch opens without a word and fails here. */
interface CallableCore extends CoreModule {
  randomNormal?(seed: bigint, stream: string, step: number, env: number, count: number): unknown;
}

function judge({ torch, coreFile, around }: Request): Verdict {
  // What is wrong with the loader is wrong with every torch: no verdict on this one.
  const loader = openLoader(around);
  try {
    openTorch(loader, torch);
    checkAbi(loader, torch);
    const core: CallableCore = openCore(coreFile, torch);
    core.randomNormal?.(0n, 'trial', 0, 1, 4);
    return { failure: null };
  } catch (error) {
    if (!(error instanceof DsrlError)) throw error;
    const { message, hint } = error;
    return { failure: { code: error.code as `ERR_DSRL_${string}`, message, hint } };
  }
}

const verdict = judge(JSON.parse(process.argv[2] ?? '') as Request);
process.stdout.write(`${JSON.stringify(verdict)}\n`);
