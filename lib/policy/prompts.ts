import { PolicyError } from '../errors.js';
import { type Runtime, Tensor } from '../native/index.js';
import type { PolicyContract } from './contract.js';

export interface PromptTokens {
  /** int64 [B, L] */
  tokens: Tensor<'int64'>;
  /** bool [B, L]: true where a token is real */
  tokenMask: Tensor<'bool'>;
}

/** Prompts -> tokens, from the contract's table. */
export class PromptTable {
  /** A rollout asks for the same prompts in every chunk; the last answer is kept. */
  private last: { prompts: readonly string[]; answer: PromptTokens } | null = null;

  constructor(
    private readonly runtime: Runtime,
    private readonly contract: PolicyContract,
  ) {}

  /** @throws PolicyError ERR_DSRL_POLICY_CONTRACT for a prompt that the policy does not know */
  tokensOf(prompts: readonly string[]): PromptTokens {
    const { last } = this;
    if (last?.prompts.length === prompts.length) {
      if (last.prompts.every((prompt, row) => prompt === prompts[row])) return last.answer;
    }
    const width = this.contract.prompt_length;
    const ids = new BigInt64Array(prompts.length * width);
    const mask = new Uint8Array(prompts.length * width);
    prompts.forEach((prompt, row) => {
      const { tokens, length } = this.lookup(prompt);
      ids.set(tokens.map(BigInt), row * width);
      mask.fill(1, row * width, row * width + length);
    });
    const shape = [prompts.length, width];
    const { runtime } = this;
    const answer = {
      tokens: Tensor.from(runtime, ids, shape, 'int64').to(runtime.device),
      tokenMask: Tensor.from(runtime, mask, shape, 'bool').to(runtime.device),
    };
    this.last = { prompts: [...prompts], answer };
    return answer;
  }

  private lookup(prompt: string): { tokens: number[]; length: number } {
    const { name, prompts, prompt_lengths } = this.contract;
    // Object.hasOwn: a prompt such as `constructor` must not find what every object inherits.
    const tokens = Object.hasOwn(prompts, prompt) ? prompts[prompt] : undefined;
    const length = prompt_lengths[prompt];
    if (tokens !== undefined && length !== undefined) return { tokens, length };
    const known = Object.keys(prompts).map((text) => `\`${text}\``);
    throw new PolicyError(
      'ERR_DSRL_POLICY_CONTRACT',
      `the policy ${name} does not know the prompt \`${prompt}\`; it knows ${known.join(', ')}`,
      { hint: 'export the policy with the prompts of its environment' },
    );
  }
}
