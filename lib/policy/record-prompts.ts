import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Abortable, abortable } from '../signal.js';
import { readContract } from './artefact.js';
import { openTokenizer } from './tokenizer.js';

/**
 * Writes the ids of prompts into a policy's policy.json, so that these prompts need no tokenizer at
 * run time. Prompts that stand there already are written anew.
 *
 * An abort while the tokenizer is opened rejects when it is open, and policy.json is as it was.
 *
 * @param onTruncate is told of every prompt that has more ids than `prompt_length`, and how many
 * @throws PolicyError ERR_DSRL_POLICY_TOKENIZER, _HASH if the folder has no usable tokenizer;
 *   _MISSING, _DAMAGED for its policy.json
 */
export async function recordPrompts(
  folder: string,
  prompts: readonly string[],
  onTruncate: (prompt: string, ids: number) => void,
  { signal }: Abortable = {},
): Promise<void> {
  signal?.throwIfAborted();
  const contract = readContract(folder);
  const open = () => openTokenizer(folder, contract, onTruncate);
  const tokenizer = await abortable(signal, open);
  const encoded = prompts.map((prompt) => [prompt, tokenizer.encode(prompt)] as const);
  const file = join(folder, 'policy.json');
  const json = JSON.parse(readFileSync(file, 'utf8'));
  for (const [prompt, { tokens, length }] of encoded) {
    json.prompts[prompt] = tokens;
    json.prompt_lengths[prompt] = length;
  }
  const unfinished = `${file}.new`;
  writeFileSync(unfinished, `${JSON.stringify(json, null, 2)}\n`);
  renameSync(unfinished, file);
}
