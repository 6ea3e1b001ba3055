import { createHash } from 'node:crypto';
import {
  closeSync,
  createReadStream,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import { PolicyError, reasonOf } from '../errors.js';
import { contract, FORMAT, type PolicyContract } from './contract.js';

export interface PolicyArtefact {
  folder: string;
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
  const artefact = describe(folder);
  checkHash(artefact, fileSha256(artefact.modelFile));
  return artefact;
}

/** As `readArtefact`, without holding the event loop. */
export async function openArtefact(folder: string, signal?: AbortSignal): Promise<PolicyArtefact> {
  signal?.throwIfAborted();
  const artefact = describe(folder);
  const hash = createHash('sha256');
  const pieces = createReadStream(artefact.modelFile, { highWaterMark: 1 << 20 });
  for await (const piece of pieces) {
    signal?.throwIfAborted();
    hash.update(piece);
  }
  checkHash(artefact, hash.digest('hex'));
  return artefact;
}

function describe(folder: string): PolicyArtefact {
  const modelFile = join(folder, 'policy.pt');
  const parsed = readContract(folder);
  requireFile(modelFile);
  return { folder, contract: parsed, modelFile };
}

function checkHash({ contract: { sha256 }, modelFile }: PolicyArtefact, found: string): void {
  const expected = sha256['policy.pt'];
  if (found === expected) return;
  throw new PolicyError(
    'ERR_DSRL_POLICY_HASH',
    `${modelFile} has sha256 ${found}, policy.json says ${expected}`,
    { hint: 'export the policy again, or copy both files from the same export' },
  );
}

/** @throws PolicyError ERR_DSRL_POLICY_MISSING, or _DAMAGED with every entry that is wrong */
export function readContract(folder: string): PolicyContract {
  const file = join(folder, 'policy.json');
  requireFile(file);
  const damaged = (what: string, cause?: unknown) =>
    new PolicyError('ERR_DSRL_POLICY_DAMAGED', `${file}: ${what}`, {
      hint: `export the policy again; this version reads ${FORMAT}`,
      cause,
    });
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw damaged(reasonOf(cause), cause);
  }
  const result = contract.safeParse(json);
  if (result.success) return result.data;
  throw damaged(z.prettifyError(result.error), result.error);
}

function requireFile(path: string): void {
  if (existsSync(path) && statSync(path).isFile()) return;
  throw new PolicyError('ERR_DSRL_POLICY_MISSING', `${path}: there is no such file`, {
    hint:
      'name the folder of an exported policy, or a run or checkpoint of `train`; for a training ' +
      'type `actor.model.model_path=<folder of the exported policy>`',
  });
}

/** In pieces: a full-size policy is several gigabytes. */
export function fileSha256(file: string): string {
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
