import { PolicyError } from '../errors.js';
import type { PolicyContract } from './contract.js';
import { type EncodedPrompt, openTokenizer, type Tokenizer } from './tokenizer.js';

/** Row by row, as the native call takes them; kept for later calls, so not to be written to. */
export interface PromptTokens {
  /** [B, L] */
  tokens: BigInt64Array;
  /** [B, L]: 1 where a token is real */
  tokenMask: Uint8Array;
}

/** New prompts that are kept; the oldest leaves. */
const KEPT = 1000;

/**
 * Prompts -> tokens: from the table of policy.json, and by the folder's tokenizer for those that do
 * not stand there. The tokenizer is opened at the first of them, and only then.
 */
export class PromptTable {
  /** A rollout asks for the same prompts in every chunk; the last answer is kept. */
  private last: { prompts: readonly string[]; answer: PromptTokens } | null = null;
  private readonly encoded = new Map<string, EncodedPrompt>();
  private tokenizer: Promise<Tokenizer> | null = null;
  private warned = false;

  constructor(
    private readonly folder: string,
    private readonly contract: PolicyContract,
  ) {}

  /**
   * Tokens at once, where no tokenizer has to be asked.
   *
   * @throws PolicyError ERR_DSRL_POLICY_TOKENIZER, _HASH for a new prompt: see openTokenizer
   */
  tokensOf(prompts: readonly string[]): PromptTokens | Promise<PromptTokens> {
    return this.kept(prompts) ?? this.allKnown(prompts) ?? this.encodeAll(prompts);
  }

  /** As `tokensOf`, for prompts that need no tokenizer: those of policy.json, and earlier ones. */
  tokensNow(prompts: readonly string[]): PromptTokens {
    const tokens = this.kept(prompts) ?? this.allKnown(prompts);
    if (tokens !== null) return tokens;
    const unknown = prompts.find((prompt) => this.known(prompt) === undefined) ?? '';
    throw new PolicyError(
      'ERR_DSRL_POLICY_TOKENIZER',
      `the prompt \`${shortened(unknown)}\` has no tokens yet, and a call that blocks opens no ` +
        'tokenizer',
      { hint: 'type `await policy.prepare(prompt)` once, before the control loop' },
    );
  }

  private allKnown(prompts: readonly string[]): PromptTokens | null {
    const encoded = prompts.map((prompt) => this.known(prompt));
    return encoded.every((one) => one !== undefined) ? this.answer(prompts, encoded) : null;
  }

  private async encodeAll(prompts: readonly string[]): Promise<PromptTokens> {
    const encoded: EncodedPrompt[] = [];
    for (const prompt of prompts) encoded.push(this.known(prompt) ?? (await this.encode(prompt)));
    return this.answer(prompts, encoded);
  }

  private kept(prompts: readonly string[]): PromptTokens | null {
    const { last } = this;
    if (last?.prompts.length !== prompts.length) return null;
    return last.prompts.every((prompt, row) => prompt === prompts[row]) ? last.answer : null;
  }

  private answer(prompts: readonly string[], encoded: readonly EncodedPrompt[]): PromptTokens {
    const width = this.contract.prompt_length;
    const ids = new BigInt64Array(prompts.length * width);
    const mask = new Uint8Array(prompts.length * width);
    for (const [row, { tokens, length }] of encoded.entries()) {
      ids.set(tokens.map(BigInt), row * width);
      mask.fill(1, row * width, row * width + length);
    }
    const answer = { tokens: ids, tokenMask: mask };
    this.last = { prompts: [...prompts], answer };
    return answer;
  }

  private known(prompt: string): EncodedPrompt | undefined {
    const { prompts, prompt_lengths } = this.contract;
    // Object.hasOwn: a prompt such as `constructor` must not find what every object inherits.
    const tokens = Object.hasOwn(prompts, prompt) ? prompts[prompt] : undefined;
    const length = prompt_lengths[prompt];
    if (tokens !== undefined && length !== undefined) return { tokens, length };
    return this.encoded.get(prompt);
  }

  private async encode(prompt: string): Promise<EncodedPrompt> {
    const tokenizer = await this.open();
    const encoded = tokenizer.encode(prompt);
    const [oldest] = this.encoded.keys();
    if (oldest !== undefined && this.encoded.size >= KEPT) this.encoded.delete(oldest);
    this.encoded.set(prompt, encoded);
    return encoded;
  }

  /** A failure is not kept: the user may put the file there and ask again. */
  private open(): Promise<Tokenizer> {
    const { folder, contract } = this;
    this.tokenizer ??= openTokenizer(folder, contract, (prompt, ids) =>
      this.warn(prompt, ids),
    ).catch((error: unknown) => {
      this.tokenizer = null;
      throw error;
    });
    return this.tokenizer;
  }

  private warn(prompt: string, ids: number): void {
    if (this.warned) return;
    this.warned = true;
    const { name, prompt_length } = this.contract;
    process.emitWarning(
      `the policy ${name} takes ${prompt_length} tokens of a prompt; \`${shortened(prompt)}\` ` +
        `has ${ids}, and the end is cut off (said once)`,
      { code: 'DSRL_PROMPT_TRUNCATED' },
    );
  }
}

function shortened(prompt: string): string {
  return prompt.length <= 80 ? prompt : `${prompt.slice(0, 80)}...`;
}
