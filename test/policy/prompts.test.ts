import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { recordPrompts } from '../../lib/index.js';
import { readContract } from '../../lib/policy/artefact.js';
import { PromptTable } from '../../lib/policy/prompts.js';
import { truncationsOf } from '../support/policy.js';

const file = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const MODEL = file('../fixtures/tokenizer/small.model');
const TOKENIZER = {
  kind: 'sentencepiece',
  file: null,
  convention: 'openpi',
  sha256: null,
};

const root = mkdtempSync(join(tmpdir(), 'dsrl-prompts-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A folder with policy.json of the policy that ships, edited; policy.pt is not needed here. */
function folderWith(edit: Record<string, unknown>): string {
  const folder = mkdtempSync(join(root, 'policy-'));
  const json = JSON.parse(readFileSync(file('../../policies/tabletop/policy.json'), 'utf8'));
  writeFileSync(join(folder, 'policy.json'), JSON.stringify({ ...json, ...edit }));
  return folder;
}

function putTokenizer(folder: string): void {
  cpSync(MODEL, join(folder, 'paligemma_tokenizer.model'));
}

function tableOf(folder: string): PromptTable {
  return new PromptTable(folder, readContract(folder));
}

/** Rows of ids, and how many of each are real. */
async function ask(table: PromptTable, prompts: string[]): Promise<[number[][], number[]]> {
  const { tokens, tokenMask } = await table.tokensOf(prompts);
  const width = tokens.length / prompts.length;
  expect(tokenMask.length).toBe(tokens.length);
  const ids = Array.from(tokens, Number);
  const real = Array.from(tokenMask);
  const row = <T>(values: T[], index: number) => values.slice(index * width, (index + 1) * width);
  const lengths = prompts.map((_, index) => {
    const mask = row(real, index);
    const length = mask.lastIndexOf(1) + 1;
    expect(mask.slice(0, length).every((value) => value === 1)).toBe(true);
    return length;
  });
  return [prompts.map((_, index) => row(ids, index)), lengths];
}

describe('a known prompt', () => {
  const known = { tokenizer: TOKENIZER, prompts: { tidy: [2, 9, 4, 0, 0, 0] } };
  const folder = folderWith({ ...known, prompt_lengths: { tidy: 3 } });

  test('is read from policy.json, with no tokenizer there', async () => {
    expect(await ask(tableOf(folder), ['tidy', 'tidy'])).toEqual([
      [
        [2, 9, 4, 0, 0, 0],
        [2, 9, 4, 0, 0, 0],
      ],
      [3, 3],
    ]);
  });

  test('does not let a new one through; with the file in its place it goes on', async () => {
    const table = tableOf(folder);
    await expect(table.tokensOf(['tidy', 'a'])).rejects.toMatchObject({
      code: 'ERR_DSRL_POLICY_TOKENIZER',
      message: expect.stringContaining(folder),
    });
    putTokenizer(folder);
    const [[first, second], lengths] = await ask(table, ['tidy', 'a']);
    expect(first).toEqual([2, 9, 4, 0, 0, 0]);
    expect(second?.slice(0, 3)).toEqual([2, expect.any(Number), 4]);
    expect(lengths).toEqual([3, 3]);
  });
});

test('a prompt that every object inherits is an ordinary one', async () => {
  const table = tableOf(folderWith({ prompt_length: 16, prompts: {}, prompt_lengths: {} }));
  const [[ids]] = await ask(table, ['constructor']);
  expect(ids?.slice(1, 12)).toEqual(Array.from('constructor', (c) => 3 + c.charCodeAt(0)));
});

test('an empty prompt is the beginning and the newline', async () => {
  const folder = folderWith({ tokenizer: TOKENIZER, prompts: {}, prompt_lengths: {} });
  putTokenizer(folder);
  expect(await ask(tableOf(folder), [''])).toEqual([[[2, 4, 0, 0, 0, 0]], [2]]);
});

test('too long a prompt is cut off, and one warning says so', async () => {
  const table = tableOf(folderWith({}));
  const long = 'x'.repeat(500);
  const warnings = await truncationsOf(async () => {
    const [[ids], lengths] = await ask(table, ['juggle']);
    expect(ids).toEqual([2, ...Array.from('juggl', (c) => 3 + c.charCodeAt(0))]);
    expect(lengths).toEqual([6]);
    await ask(table, [long]);
  });
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toMatch(/tabletop takes 6 tokens.*`juggle` has 8/);
  const ofLong = await truncationsOf(async () => tableOf(folderWith({})).tokensOf([long]));
  expect(ofLong[0]).toContain('xxx...`');
  expect(ofLong[0]?.length).toBeLessThan(250);
});

describe('recording prompts in policy.json', () => {
  const nobody = () => expect.fail('nothing is too long');

  test('gives the ids that the tokenizer gives, and keeps what was there', async () => {
    const folder = folderWith({
      tokenizer: TOKENIZER,
      prompt_length: 20,
      prompts: {},
      prompt_lengths: {},
    });
    putTokenizer(folder);
    const prompts = ['pick up the bowl', 'open the drawer', ''];
    await recordPrompts(folder, prompts.slice(0, 1), nobody);
    await recordPrompts(folder, prompts.slice(1), nobody);
    const { prompts: recorded } = readContract(folder);
    expect(Object.keys(recorded)).toEqual(prompts);
    const fresh = folderWith({
      tokenizer: TOKENIZER,
      prompt_length: 20,
      prompts: {},
      prompt_lengths: {},
    });
    putTokenizer(fresh);
    const expected = await ask(tableOf(fresh), prompts);
    rmSync(join(folder, 'paligemma_tokenizer.model'));
    expect(await ask(tableOf(folder), prompts)).toEqual(expected);
  });

  test('tells of those that are cut off', async () => {
    const folder = folderWith({ tokenizer: TOKENIZER, prompts: {}, prompt_lengths: {} });
    putTokenizer(folder);
    const told: [string, number][] = [];
    const long = 'xyz'.repeat(9);
    await recordPrompts(folder, ['', long], (...what) => told.push(what));
    expect(told).toEqual([[long, expect.any(Number)]]);
    expect(told[0]?.[1]).toBeGreaterThan(6);
  });

  test('leaves policy.json as it is when there is no tokenizer', async () => {
    const folder = folderWith({ tokenizer: TOKENIZER });
    const before = readFileSync(join(folder, 'policy.json'), 'utf8');
    await expect(recordPrompts(folder, ['a'], nobody)).rejects.toMatchObject({
      code: 'ERR_DSRL_POLICY_TOKENIZER',
    });
    expect(readFileSync(join(folder, 'policy.json'), 'utf8')).toBe(before);
  });

  test.each(['before', 'meanwhile'])('writes nothing when it is aborted %s', async (when) => {
    const folder = folderWith({ tokenizer: TOKENIZER, prompts: {}, prompt_lengths: {} });
    putTokenizer(folder);
    const before = readFileSync(join(folder, 'policy.json'), 'utf8');
    const controller = new AbortController();
    if (when === 'before') controller.abort(when);
    const recording = recordPrompts(folder, ['a'], nobody, controller);
    controller.abort(when);
    await expect(recording).rejects.toBe(when);
    expect(readFileSync(join(folder, 'policy.json'), 'utf8')).toBe(before);
    await recordPrompts(folder, ['a'], nobody);
    expect(readContract(folder).prompts).toHaveProperty('a');
  });
});
