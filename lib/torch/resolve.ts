import type { TorchAttempt } from '../errors.js';
import { inspectTorch, type TorchInfo } from './inspect.js';
import { type Candidate, candidates } from './search.js';
import { currentSurroundings, type Surroundings } from './surroundings.js';

export type { TorchInfo } from './inspect.js';

/** A torch that was found, and by which of the places that were looked at. */
export interface FoundTorch extends TorchInfo {
  source: string;
}

export interface Resolution {
  torch: FoundTorch | null;
  /** Every place that was looked at, in order, with what was found there. */
  attempts: TorchAttempt[];
}

export interface ResolveRequest {
  /** The only folder to look at; as DSRL_TORCH_HOME does from outside. */
  torchHome?: string | undefined;
  /** Why this torch cannot be used, in a few words; null takes it. */
  refuse: (torch: TorchInfo) => string | null;
}

/**
 * Finds a torch: the first candidate that exists and that `refuse` does not refuse. Nothing is
 * loaded and no Python module is imported. Folders are read, and Python is asked where it would
 * import torch from; the search stops at the first that fits.
 */
export function resolveTorch(
  request: ResolveRequest,
  around: Surroundings = currentSurroundings(),
): Resolution {
  const attempts: TorchAttempt[] = [];
  for (const candidate of candidates(request.torchHome, around)) {
    const { verdict, torch } = judge(candidate, request);
    attempts.push({ source: candidate.source, verdict });
    if (torch !== null) return { torch, attempts };
  }
  return { torch: null, attempts };
}

/** Looks at every place, also behind the first that fits: what `doctor` shows. */
export function surveyTorch(
  request: ResolveRequest,
  around: Surroundings = currentSurroundings(),
): TorchAttempt[] {
  const places = [...candidates(request.torchHome, around)];
  return places.map((candidate) => ({
    source: candidate.source,
    verdict: judge(candidate, request).verdict,
  }));
}

function judge(
  candidate: Candidate,
  request: ResolveRequest,
): { verdict: string; torch: FoundTorch | null } {
  if ('verdict' in candidate) return { verdict: candidate.verdict, torch: null };
  const found = inspectTorch(candidate.root, candidate.libDir);
  if ('problem' in found) return { verdict: found.problem, torch: null };
  const described = `torch ${found.version}`;
  const refusal = request.refuse(found);
  if (refusal !== null) return { verdict: `${described} - ${refusal}`, torch: null };
  return { verdict: described, torch: { ...found, source: candidate.source } };
}
