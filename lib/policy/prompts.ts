import { PolicyError } from '../errors.js';
import { outsideScopes, type Runtime, Tensor } from '../native/index.js';
import type { PolicyContract } from './contract.js';
import { type EncodedPrompt, openTokenizer, type Tokenizer } from './tokenizer.js';

export interface PromptTokens {
  /** int64 [B, L] */
  tokens: Tensor<'int64'>;
  /** bool [B, L]: true where a token is real */
  tokenMask: Tensor<'bool'>;
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
    private readonly runtime: Runtime,
    private readonly folder: string,
    private readonly contract: PolicyContract,
  ) {}

  /** @throws PolicyError ERR_DSRL_POLICY_TOKENIZER, _HASH for a new prompt: see openTokenizer */
  async tokensOf(prompts: readonly string[]): Promise<PromptTokens> {
    const kept = this.kept(prompts);
    if (kept !== null) return kept;
    const encoded: EncodedPrompt[] = [];
    for (const prompt of prompts) encoded.push(this.known(prompt) ?? (await this.encode(prompt)));
    return this.answer(prompts, encoded);
  }

  /** As `tokensOf`, for prompts that need no tokenizer: those of policy.json, and earlier ones. */
  tokensNow(prompts: readonly string[]): PromptTokens {
    const kept = this.kept(prompts);
    if (kept !== null) return kept;
    const encoded = prompts.map((prompt) => {
      const known = this.known(prompt);
      if (known !== undefined) return known;
      throw new PolicyError(
        'ERR_DSRL_POLICY_TOKENIZER',
        `the prompt \`${shortened(prompt)}\` has no tokens yet, and a call that blocks opens no ` +
          'tokenizer',
        { hint: 'type `await policy.prepare(prompt)` once, before the control loop' },
      );
    });
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
    const shape = [prompts.length, width];
    // They are kept for later calls, whatever scope this one is in.
    const answer = outsideScopes(() => ({
      tokens: Tensor.from(this.runtime, ids, shape, 'int64'),
      tokenMask: Tensor.from(this.runtime, mask, shape, 'bool'),
    }));
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
