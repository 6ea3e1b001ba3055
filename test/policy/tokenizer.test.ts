import { createHash } from 'node:crypto';
import {
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { PolicyError } from '../../lib/index.js';
import type { PolicyContract } from '../../lib/policy/contract.js';
import { openTokenizer, type Tokenizer } from '../../lib/policy/tokenizer.js';

type Choice = PolicyContract['tokenizer'];

/** Ids of the libraries that openpi and LeRobot call: python/tokenizer/record_fixtures.py. */
const fixtures = fileURLToPath(new URL('../fixtures/tokenizer', import.meta.url));
const recorded: {
  prompt_length: number;
  prompts: string[];
  small: Ids;
  tiny: Ids;
} = JSON.parse(readFileSync(join(fixtures, 'ids.json'), 'utf8'));

/** Of each prompt, in the order of `prompts`. */
type Ids = Record<'openpi' | 'lerobot', number[][]>;

const root = mkdtempSync(join(tmpdir(), 'dsrl-tokenizer-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));

const SENTENCEPIECE: Choice = {
  kind: 'sentencepiece',
  file: 'small.model',
  convention: 'openpi',
  sha256: null,
};
const TOKENIZERS: Choice = {
  kind: 'tokenizers',
  file: 'small.json',
  convention: 'lerobot',
  sha256: null,
};

function open(
  tokenizer: Choice,
  options: { folder?: string; length?: number; onTruncate?: () => void } = {},
): Promise<Tokenizer> {
  const { folder = fixtures, length = recorded.prompt_length, onTruncate = () => {} } = options;
  return openTokenizer(folder, { name: 'small', tokenizer, prompt_length: length }, onTruncate);
}

function failure(opening: Promise<Tokenizer>): Promise<PolicyError> {
  return opening.then(
    () => expect.fail('it opened'),
    (error) => {
      expect(error).toBeInstanceOf(PolicyError);
      return error;
    },
  );
}

function real({ tokens, length }: { tokens: readonly number[]; length: number }): number[] {
  expect(tokens).toHaveLength(recorded.prompt_length);
  expect(tokens.slice(length).every((token) => token === 0)).toBe(true);
  return tokens.slice(0, length);
}

function expectIds(tokenizer: Tokenizer, expected: readonly number[][]): void {
  for (const [row, ids] of expected.entries()) {
    const prompt = recorded.prompts[row] as string;
    expect(real(tokenizer.encode(prompt)), JSON.stringify(prompt)).toEqual(ids);
  }
}

describe('ids are those of the reference runners', () => {
  test.each(['small', 'tiny'] as const)('openpi before a SentencePiece model: %s', async (name) => {
    const tokenizer = await open({ ...SENTENCEPIECE, file: `${name}.model` });
    expectIds(tokenizer, recorded[name].openpi);
  });

  test.each(['small', 'tiny'] as const)('LeRobot before a tokenizer.json: %s', async (name) => {
    const tokenizer = await open({ ...TOKENIZERS, file: `${name}.json` });
    expectIds(tokenizer, recorded[name].lerobot);
  });

  test('the record can tell the two conventions apart', async () => {
    const wrong = await open({ ...SENTENCEPIECE, convention: 'lerobot' });
    const different = recorded.prompts.filter(
      (prompt, row) => String(real(wrong.encode(prompt))) !== String(recorded.small.openpi[row]),
    );
    expect(different.length).toBeGreaterThan(30);
  });

  test.each([
    [
      'merges as texts, as older files write them',
      (json: Json) => {
        json.model.merges = json.model.merges.map((pair) => (pair as string[]).join(' '));
      },
    ],
    [
      'a split at spaces before the merges',
      (json: Json) => {
        const pattern = { String: ' ' };
        const behavior = 'MergedWithPrevious';
        json.pre_tokenizer = { type: 'Split', pattern, behavior, invert: false };
      },
    ],
    [
      'no post-processor',
      (json: Json) => {
        json.post_processor = null;
      },
    ],
  ])('another writing of tokenizer.json gives the same ids: %s', async (_, edit) => {
    const tokenizer = await open(TOKENIZERS, { folder: edited(edit) });
    expectIds(tokenizer, recorded.small.lerobot.slice(0, 120));
  });

  test('the byte tokenizer: begin, 3 + byte, a newline', async () => {
    const tokenizer = await open({ kind: 'byte' });
    expect(real(tokenizer.encode('tidy'))).toEqual([2, 119, 108, 103, 124, 13]);
    expect(real(tokenizer.encode(''))).toEqual([2, 13]);
    expect(real(tokenizer.encode('é'))).toEqual([2, 198, 172, 13]);
  });

  test('half a surrogate pair, which Python cannot encode, is the replacement character', async () => {
    for (const choice of [SENTENCEPIECE, TOKENIZERS, { kind: 'byte' } as const]) {
      const tokenizer = await open(choice);
      expect(tokenizer.encode('a \ud83d b')).toEqual(tokenizer.encode('a \ufffd b'));
    }
  });
});

describe('a prompt that is too long', () => {
  test.each([
    ['openpi', SENTENCEPIECE],
    ['lerobot', TOKENIZERS],
  ] as const)('loses its end, and with it the newline: %s', async (convention, choice) => {
    let told = 0;
    const tokenizer = await open(choice, { length: 7, onTruncate: () => told++ });
    const ids = recorded.small[convention];
    const whole = recorded.prompts.map((prompt, row) => ({ prompt, ids: ids[row] as number[] }));
    const long = whole.filter((entry) => entry.ids.length === 8);
    expect(long.length).toBeGreaterThan(3);
    for (const entry of long) {
      const { tokens, length } = tokenizer.encode(entry.prompt);
      expect(length).toBe(7);
      expect(tokens).toEqual(entry.ids.slice(0, 7));
    }
    expect(told).toBe(long.length);
  });

  test('one that just fits is whole, and nothing is said', async () => {
    const onTruncate = () => expect.fail('it fits');
    const tokenizer = await open(SENTENCEPIECE, { length: 8, onTruncate });
    for (const [row, ids] of recorded.small.openpi.entries()) {
      if (ids.length !== 8) continue;
      const prompt = recorded.prompts[row] as string;
      expect(tokenizer.encode(prompt)).toEqual({ tokens: ids, length: 8 });
    }
  });
});

describe('a file that cannot be used', () => {
  test.each([
    [{ ...SENTENCEPIECE, file: null }, 'paligemma_tokenizer.model', 'gs://big_vision/'],
    [{ ...TOKENIZERS, file: null }, 'tokenizer.json', 'google/paligemma-3b-pt-224'],
    [{ ...SENTENCEPIECE, file: 'lost.model' }, 'lost.model', 'gs://big_vision/'],
  ] as const)('missing: the error says where it comes from: %o', async (choice, name, origin) => {
    const error = await failure(open(choice, { folder: root }));
    expect(error.code).toBe('ERR_DSRL_POLICY_TOKENIZER');
    expect(error.message).toContain(join(root, name));
    expect(error.hint).toContain(origin);
    expect(error.hint).toContain(`cp <that file> ${join(root, name)}`);
  });

  test('put there under its usual name it is found', async () => {
    const folder = mkdtempSync(join(root, 'usual-'));
    copyFileSync(join(fixtures, 'small.model'), join(folder, 'paligemma_tokenizer.model'));
    const tokenizer = await open({ ...SENTENCEPIECE, file: null }, { folder });
    expect(real(tokenizer.encode(''))).toEqual([2, 4]);
  });

  test('of another hash', async () => {
    const sha256 = createHash('sha256').update('other').digest('hex');
    const error = await failure(open({ ...SENTENCEPIECE, sha256 }));
    expect(error.code).toBe('ERR_DSRL_POLICY_HASH');
    expect(error.message).toContain(sha256);
  });

  test('of the right hash it opens', async () => {
    const bytes = readFileSync(join(fixtures, 'small.model'));
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    await expect(open({ ...SENTENCEPIECE, sha256 })).resolves.toBeDefined();
  });

  test.each([
    ['a SentencePiece model that is cut off', SENTENCEPIECE, 3000],
    ['an empty SentencePiece model', SENTENCEPIECE, 0],
    ['a tokenizer.json that is cut off', TOKENIZERS, 3000],
  ] as const)('%s', async (_, choice, length) => {
    const folder = mkdtempSync(join(root, 'cut-'));
    const name = choice.file as string;
    copyFileSync(join(fixtures, name), join(folder, name));
    truncateSync(join(folder, name), length);
    const error = await failure(open(choice, { folder }));
    expect(error.code).toBe('ERR_DSRL_POLICY_TOKENIZER');
    expect(error.message).toContain(join(folder, name));
  });

  test('one kind of file under the name of the other', async () => {
    for (const [choice, other] of [
      [SENTENCEPIECE, 'small.json'],
      [TOKENIZERS, 'small.model'],
    ] as const) {
      const error = await failure(open({ ...choice, file: other } as Choice));
      expect(error.code).toBe('ERR_DSRL_POLICY_TOKENIZER');
      expect(error.message).toContain(other);
    }
  });

  test.each<[string, (json: Json) => void, string]>([
    ['model of another kind', (json) => Object.assign(json.model, { type: 'WordPiece' }), 'model'],
    [
      'normalizer that changes letters',
      (json) => {
        json.normalizer = { type: 'Lowercase' };
      },
      'normalizer',
    ],
    [
      'pre-tokenizer of bytes',
      (json) => {
        json.pre_tokenizer = { type: 'ByteLevel' };
      },
      'pre_tokenizer',
    ],
    ['dropout', (json) => Object.assign(json.model, { dropout: 0.1 }), 'dropout'],
    [
      'no <bos>',
      (json) => {
        json.added_tokens = json.added_tokens.filter(({ content }) => content !== '<bos>');
      },
      '<bos>',
    ],
  ])('a tokenizer.json with a %s, which is named', async (_, edit, named) => {
    const error = await failure(open(TOKENIZERS, { folder: edited(edit) }));
    expect(error.code).toBe('ERR_DSRL_POLICY_TOKENIZER');
    expect(error.message).toContain(named);
  });
});

interface Json {
  [key: string]: unknown;
  added_tokens: { content: string }[];
  model: { merges: unknown[] };
}

/** A folder with a changed small.json. */
function edited(edit: (json: Json) => void): string {
  const folder = mkdtempSync(join(root, 'edited-'));
  const json: Json = JSON.parse(readFileSync(join(fixtures, 'small.json'), 'utf8'));
  edit(json);
  writeFileSync(join(folder, 'small.json'), JSON.stringify(json));
  return folder;
}
