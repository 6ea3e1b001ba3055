import { existsSync, readFileSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { usageError } from './arguments.js';

/** Where the bowl starts, task by task (LIBERO `libero_suite_task_map.py`). */
const STARTS = [
  'between the plate and the ramekin',
  'next to the ramekin',
  'from table center',
  'on the cookie box',
  'in the top drawer of the wooden cabinet',
  'on the ramekin',
  'next to the cookie box',
  'on the stove',
  'next to the plate',
  'on the wooden cabinet',
];
const LIBERO_SPATIAL = STARTS.map(
  (start) => `pick up the black bowl ${start} and place it on the plate`,
);

/** What the tokenizer's file is called in a checkpoint. */
const USUAL = ['paligemma_tokenizer.model', 'tokenizer.json'];

/** The prompts whose ids go into policy.json: a file's lines, or LIBERO-Spatial's ten. */
export function promptsToRecord(file: string | undefined): readonly string[] {
  if (file === undefined) return LIBERO_SPATIAL;
  if (!isFile(file)) throw usageError('export', `--prompts ${file}: there is no such file`);
  const lines = readFileSync(file, 'utf8').split(/\r?\n/);
  const prompts = [...new Set(lines.filter((line) => line.trim() !== ''))];
  if (prompts.length > 0) return prompts;
  throw usageError('export', `--prompts ${file}: it has no lines`, 'write one prompt a line');
}

/**
 * Whether prompts can be recorded, as far as that can be told before minutes of exporting: what
 * shows later leaves a folder behind without them.
 *
 * @throws PolicyError ERR_DSRL_POLICY_TOKENIZER if the file that was named is no tokenizer;
 *   UsageError if prompts are named, and no tokenizer is there
 */
export async function checkTokenizer(given: {
  checkpoint?: string | undefined;
  tokenizer?: string | undefined;
  prompts?: string | undefined;
}): Promise<void> {
  const { checkpoint = '', tokenizer, prompts } = given;
  if (tokenizer !== undefined) {
    if (!isFile(tokenizer)) return; // the exporter says so
    const { checkTokenizerFile } = await import('../policy/index.js');
    return checkTokenizerFile(resolve(tokenizer));
  }
  if (prompts === undefined || USUAL.some((name) => isFile(join(checkpoint, name)))) return;
  const what = `--prompts ${prompts}: ${checkpoint} has no ${USUAL.join(' or ')}`;
  throw usageError('export', what, 'add --tokenizer FILE; docs/pi0.md says where it comes from');
}

/**
 * Writes the prompts' ids into the policy.json of a fresh policy folder, so that training on them
 * opens no tokenizer. Without a tokenizer's file it says where one is to be put instead.
 *
 * @param demanded the user asked for these prompts: not recording them is an error
 * @throws PolicyError ERR_DSRL_POLICY_TOKENIZER if the file is no tokenizer, or is demanded
 */
export async function recordAloud(
  folder: string,
  prompts: readonly string[],
  demanded: boolean,
): Promise<void> {
  const { PolicyError } = await import('../errors.js');
  const { recordPrompts } = await import('../policy/index.js');
  const say = (line: string) => process.stderr.write(`${line}\n`);
  try {
    await recordPrompts(folder, prompts, (prompt, ids) =>
      say(`the end of a prompt with ${ids} ids is cut off: ${prompt}`),
    );
    say(`recorded the ids of ${prompts.length} prompts`);
  } catch (error) {
    if (demanded || hasTokenizer(folder) || !(error instanceof PolicyError)) throw error;
    say(`recorded no prompts: ${error.message}\n  ${error.hint}`);
  }
}

function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile();
}

function hasTokenizer(folder: string): boolean {
  const { tokenizer } = JSON.parse(readFileSync(join(folder, 'policy.json'), 'utf8')) as {
    tokenizer: { file: string | null };
  };
  return tokenizer.file !== null;
}
