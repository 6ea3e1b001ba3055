import { readFileSync } from 'node:fs';
import * as z from 'zod';
import type { TokenRunner } from './token-runner.js';

/** What PaliGemma's tokenizer.json is; anything else would need more of the text than `reduced`. */
const shape = z.looseObject({
  added_tokens: z.array(z.looseObject({ id: z.int().min(0), content: z.string().min(1) })),
  normalizer: z
    .looseObject({
      type: z.literal('Replace'),
      pattern: z.looseObject({ String: z.literal(' ') }),
      content: z.literal('▁'),
    })
    .nullable(),
  // A split at spaces finds none: the normalizer has replaced them.
  pre_tokenizer: z
    .looseObject({ type: z.literal('Split'), pattern: z.looseObject({ String: z.literal(' ') }) })
    .nullable(),
  model: z.looseObject({
    type: z.literal('BPE'),
    unk_token: z.string(),
    byte_fallback: z.boolean(),
    ignore_merges: z.literal(false).optional(),
    dropout: z.null().optional(),
    continuing_subword_prefix: z.union([z.null(), z.literal('')]).optional(),
    end_of_word_suffix: z.union([z.null(), z.literal('')]).optional(),
    vocab: z.custom<Record<string, number>>((value) => typeof value === 'object' && value !== null),
    merges: z.custom<readonly (string | [string, string])[]>(Array.isArray),
  }),
});

type TokenizerJson = z.output<typeof shape>;

/**
 * A tokenizer.json, in Hugging Face's JavaScript runner.
 *
 * Building that runner from Gemma's 256,000 pieces and 580,000 merges takes two seconds and 370 MB,
 * of which a prompt needs a few hundred merges. It is therefore built anew for each text from the
 * part that the text can reach, which gives the same ids by the rules of byte-pair encoding: merges
 * only ever join neighbours, so a piece that is no part of the text is never looked up. What stays
 * is the parsed file: half a second to read and 130 MB, and 60 ms a new prompt (docs/pi0.md).
 *
 * @throws what makes the file unfit, in words
 */
export async function openTokenizerJson(file: string): Promise<TokenRunner> {
  const { Tokenizer } = await import('@huggingface/tokenizers');
  const parsed = shape.safeParse(JSON.parse(readFileSync(file, 'utf8')));
  if (!parsed.success) throw new Error(z.prettifyError(parsed.error), { cause: parsed.error });
  const json = parsed.data;
  const fixed = fixedPieces(json);
  const bos = fixed['<bos>'];
  if (bos === undefined) throw new Error('it has no token `<bos>`');
  return {
    bos,
    encode(text) {
      const tokenizer = new Tokenizer(reduced(json, fixed, text), {});
      return tokenizer.encode(text, { add_special_tokens: false }).ids;
    },
  };
}

/** Pieces that any text may need: the added tokens, the bytes and the unknown piece. */
function fixedPieces({ added_tokens, model }: TokenizerJson): Record<string, number> {
  const pieces = emptyVocabulary();
  for (const { id, content } of added_tokens) pieces[content] = id;
  for (let byte = 0; byte < 256; byte++) {
    copyPiece(model.vocab, pieces, `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
  }
  copyPiece(model.vocab, pieces, model.unk_token);
  return pieces;
}

function reduced(json: TokenizerJson, fixed: Record<string, number>, text: string): TokenizerJson {
  const normalized = json.normalizer === null ? text : text.replaceAll(' ', '▁');
  const vocab = Object.assign(emptyVocabulary(), fixed);
  for (const character of normalized) copyPiece(json.model.vocab, vocab, character);
  const merges = json.model.merges.filter((merge) => {
    const piece = typeof merge === 'string' ? merge.replace(' ', '') : merge.join('');
    if (!normalized.includes(piece)) return false;
    copyPiece(json.model.vocab, vocab, piece);
    return true;
  });
  return { ...json, model: { ...json.model, vocab, merges } };
}

/** Without a prototype, so that a piece may be called `__proto__`. */
function emptyVocabulary(): Record<string, number> {
  return Object.create(null);
}

function copyPiece(
  from: Readonly<Record<string, number>>,
  to: Record<string, number>,
  piece: string,
): void {
  const id = Object.hasOwn(from, piece) ? from[piece] : undefined;
  if (id !== undefined) to[piece] = id;
}
