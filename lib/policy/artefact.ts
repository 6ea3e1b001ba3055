import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { PolicyError } from '../errors.js';
import { contract, FORMAT, type PolicyContract } from './contract.js';

export interface PolicyArtefact {
  contract: PolicyContract;
  /** policy.pt, whose hash is the contract's. */
  modelFile: string;
}

/**
 * Reads a policy's folder and checks the hash of policy.pt, before anything opens that file: a
 * TorchScript file is a program, and this is the only check that it is the one that was exported.
 *
 * @throws PolicyError ERR_DSRL_POLICY_MISSING, _DAMAGED or _HASH
 */
export function readArtefact(folder: string): PolicyArtefact {
  const file = join(folder, 'policy.json');
  const modelFile = join(folder, 'policy.pt');
  for (const path of [file, modelFile]) {
    if (existsSync(path)) continue;
    throw new PolicyError('ERR_DSRL_POLICY_MISSING', `${path}: there is no such file`, {
      hint: 'type `actor.model.model_path=<folder of the exported policy>`',
    });
  }
  const parsed = readContract(file);
  const expected = parsed.sha256['policy.pt'];
  const found = sha256(modelFile);
  if (found !== expected) {
    throw new PolicyError(
      'ERR_DSRL_POLICY_HASH',
      `${modelFile} has sha256 ${found}, policy.json says ${expected}`,
      { hint: 'export the policy again, or copy both files from the same export' },
    );
  }
  return { contract: parsed, modelFile };
}

function readContract(file: string): PolicyContract {
  const damaged = (what: string, cause?: unknown) =>
    new PolicyError('ERR_DSRL_POLICY_DAMAGED', `${file}: ${what}`, {
      hint: `export the policy again; this version reads ${FORMAT}`,
      cause,
    });
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw damaged(cause instanceof Error ? cause.message : String(cause), cause);
  }
  const result = contract.safeParse(json);
  if (result.success) return result.data;
  throw damaged(z.prettifyError(result.error), result.error);
}

/** In pieces: a full-size policy is several gigabytes. */
function sha256(file: string): string {
  const hash = createHash('sha256');
  const piece = Buffer.allocUnsafe(1 << 20);
  const descriptor = openSync(file, 'r');
  try {
    for (;;) {
      const length = readSync(descriptor, piece);
      if (length === 0) return hash.digest('hex');
      hash.update(piece.subarray(0, length));
    }
  } finally {
    closeSync(descriptor);
  }
}
