import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { PolicyError } from '../errors.js';
import { fileSha256 } from './artefact.js';
import type { PolicyContract } from './contract.js';
import { type Convention, promptIds } from './convention.js';
import { openSentencePiece } from './sentencepiece-runner.js';
import { byteRunner, type TokenRunner } from './token-runner.js';
import { openTokenizerJson } from './tokenizer-json-runner.js';

export interface EncodedPrompt {
  /** Padded with 0 to the policy's `prompt_length`. */
  tokens: readonly number[];
  /** How many of them are real. */
  length: number;
}

export interface Tokenizer {
  /** The ids of a prompt; those beyond `prompt_length` are cut off, as the originals do. */
  encode(prompt: string): EncodedPrompt;
}

type TokenizerFile = Exclude<PolicyContract['tokenizer'], { kind: 'byte' }>;

const USUAL_NAME = { sentencepiece: 'paligemma_tokenizer.model', tokenizers: 'tokenizer.json' };

/** Where the file is found that this package may not carry. */
const ORIGIN = {
  sentencepiece:
    "openpi's checkpoints use gs://big_vision/paligemma_tokenizer.model, " +
    'which openpi keeps under ~/.cache/openpi/big_vision',
  tokenizers:
    "LeRobot's checkpoints use tokenizer.json of google/paligemma-3b-pt-224 on Hugging Face",
};

/**
 * Opens the tokenizer of a policy's folder.
 *
 * @param onTruncate is told of every prompt with too many ids, and how many it has
 * @throws PolicyError ERR_DSRL_POLICY_TOKENIZER if the file is missing or is no tokenizer,
 *   ERR_DSRL_POLICY_HASH if it is not the one that policy.json was written with
 */
export async function openTokenizer(
  folder: string,
  contract: Pick<PolicyContract, 'name' | 'tokenizer' | 'prompt_length'>,
  onTruncate: (prompt: string, ids: number) => void,
): Promise<Tokenizer> {
  const { name, tokenizer, prompt_length } = contract;
  const byte = tokenizer.kind === 'byte';
  const runner = byte ? byteRunner : await openRunner(folder, name, tokenizer);
  const convention: Convention = byte ? 'byte' : tokenizer.convention;
  return {
    encode(prompt) {
      const ids = promptIds(convention, runner, prompt);
      if (ids.length > prompt_length) onTruncate(prompt, ids.length);
      const real = ids.slice(0, prompt_length);
      const padding = new Array<number>(prompt_length - real.length).fill(0);
      return { tokens: [...real, ...padding], length: real.length };
    },
  };
}

/**
 * Opens a tokenizer's file, and throws it away.
 *
 * @throws PolicyError ERR_DSRL_POLICY_TOKENIZER if it is none that this version reads
 */
export async function checkTokenizerFile(file: string): Promise<void> {
  const kind = file.endsWith('.model') ? 'sentencepiece' : 'tokenizers';
  const choice = { kind, file: basename(file), convention: 'openpi', sha256: null } as const;
  await openRunner(dirname(file), basename(file), choice);
}

async function openRunner(
  folder: string,
  name: string,
  tokenizer: TokenizerFile,
): Promise<TokenRunner> {
  const file = join(folder, tokenizer.file ?? USUAL_NAME[tokenizer.kind]);
  if (!existsSync(file)) {
    throw new PolicyError(
      'ERR_DSRL_POLICY_TOKENIZER',
      `the policy ${name} has no tokenizer for new prompts: there is no ${file}`,
      { hint: `${ORIGIN[tokenizer.kind]}; type \`cp <that file> ${file}\`` },
    );
  }
  const found = tokenizer.sha256 === null ? null : fileSha256(file);
  if (found !== tokenizer.sha256) {
    throw new PolicyError(
      'ERR_DSRL_POLICY_HASH',
      `${file} has sha256 ${found}, policy.json says ${tokenizer.sha256}`,
      { hint: `copy the tokenizer that the policy was exported with; ${ORIGIN[tokenizer.kind]}` },
    );
  }
  let cause: unknown;
  try {
    const open = tokenizer.kind === 'sentencepiece' ? openSentencePiece : openTokenizerJson;
    const runner = await open(file);
    if (runner !== null) return runner;
  } catch (error) {
    cause = error;
  }
  const reason = cause instanceof Error ? `: ${cause.message}` : '';
  throw new PolicyError(
    'ERR_DSRL_POLICY_TOKENIZER',
    `${file} is no tokenizer of the kind \`${tokenizer.kind}\` that this version reads${reason}`,
    { hint: ORIGIN[tokenizer.kind], cause },
  );
}
