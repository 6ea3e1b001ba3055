import * as z from 'zod';

/** The only format of policy.json that this version reads. */
export const FORMAT = 'dsrl-native-policy/1';

const count = z.int().min(1);
const finite = z.number();
const statistics = z.strictObject({
  mean: z.array(finite),
  std: z.array(finite.min(0)),
});

/**
 * policy.json: what a frozen policy is and how its inputs are made. policy.pt beside it is the
 * network; its inputs and outputs are normalised and padded by the caller with these numbers.
 */
export const contract = z
  .strictObject({
    format: z.literal(FORMAT),
    kind: z.literal('pi0'),
    name: z.string().min(1),
    /** H, the length of the action chunk that the flow produces. */
    horizon: count,
    /** Width of one action inside the flow, padding included. */
    noise_dim: count,
    state_dim: count,
    action_dim: count,
    /** Euler steps unless the caller says otherwise. */
    num_steps: count,
    precision: z.enum(['float32', 'bfloat16']),
    /** The observation's cameras, in the order that the network takes them. */
    cameras: z.array(z.string().min(1)).min(1),
    /** Side of a square picture in pixels. */
    image_size: count,
    image_resize: z.literal('none'),
    prompt_length: count,
    time_convention: z.enum(['double', 'float32']),
    normalization: z.strictObject({
      mode: z.literal('mean_std'),
      eps: finite.min(0),
      state: statistics,
      actions: statistics,
    }),
    /** Action dimensions that are offsets from the raw state. */
    delta_action_mask: z.array(z.boolean()).nullable(),
    tokenizer: z.looseObject({ kind: z.string() }),
    /** Prompt -> token ids, padded with 0 to `prompt_length`. */
    prompts: z.record(z.string(), z.array(z.int().min(0))),
    /** Prompt -> how many of its tokens are real. */
    prompt_lengths: z.record(z.string(), count),
    sha256: z.looseObject({ 'policy.pt': z.string().regex(/^[0-9a-f]{64}$/) }),
    provenance: z.looseObject({}),
  })
  .check(({ value, issues }) => {
    const expect = (path: (string | number)[], found: number, length: number) => {
      if (found === length) return;
      const message = `${found} entries where ${length} are expected`;
      issues.push({ code: 'custom', path, message, input: value });
    };
    const { normalization, state_dim, action_dim, prompts, prompt_lengths } = value;
    for (const field of ['mean', 'std'] as const) {
      expect(['normalization', 'state', field], normalization.state[field].length, state_dim);
      expect(['normalization', 'actions', field], normalization.actions[field].length, action_dim);
    }
    if (value.delta_action_mask !== null) {
      expect(['delta_action_mask'], value.delta_action_mask.length, action_dim);
    }
    for (const [prompt, tokens] of Object.entries(prompts)) {
      expect(['prompts', prompt], tokens.length, value.prompt_length);
      const length = prompt_lengths[prompt] ?? 0;
      if (length >= 1 && length <= value.prompt_length) continue;
      const message = `has to be between 1 and prompt_length = ${value.prompt_length}`;
      issues.push({ code: 'custom', path: ['prompt_lengths', prompt], message, input: value });
    }
  });

export type PolicyContract = z.output<typeof contract>;
