import * as z from 'zod';
import { contradictions } from './contradictions.js';

/** The only format of policy.json that this version reads. */
export const FORMAT = 'dsrl-native-policy/1';

/**
 * Euler steps of one call: flows take 4 to 50. Whoever asks for more by mistake would hold the
 * inference thread, and `inferSync` the event loop, for minutes.
 */
export const MOST_STEPS = 1_000;

const count = z.int().min(1);
const finite = z.number();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'has to be 64 hexadecimal digits');
const name = z.string().min(1);

const meanAndStd = z.strictObject({ mean: z.array(finite), std: z.array(finite.min(0)) });
const quantiles = z.strictObject({ q01: z.array(finite), q99: z.array(finite) });

const normalization = z.discriminatedUnion('mode', [
  /** (x - mean) / (std + eps), and its inverse for actions. */
  z.strictObject({
    mode: z.literal('mean_std'),
    eps: finite.min(0),
    state: meanAndStd,
    actions: meanAndStd,
  }),
  /** (x - q01) / (q99 - q01 + eps) * 2 - 1, and its inverse for actions. */
  z.strictObject({
    mode: z.literal('quantiles'),
    eps: finite.min(0),
    state: quantiles,
    actions: quantiles,
  }),
]);

/** How a tokenizer's file is named and used; the file may be absent (see tokenizer.ts). */
const tokenizerFile = {
  /** In the policy's folder; null: under the kind's usual name, if the user puts it there. */
  file: z
    .string()
    .regex(/^(?!\.{1,2}$)[^/\\]+$/, 'has to be the name of a file in this folder')
    .nullable()
    .default(null),
  /** What is made of a prompt before it is encoded (convention.ts). */
  convention: z.enum(['openpi', 'lerobot']),
  sha256: sha256.nullable().default(null),
};

const tokenizer = z.discriminatedUnion('kind', [
  /** UTF-8 bytes, for the small policies; needs no file. */
  z.strictObject({ kind: z.literal('byte') }),
  /** A SentencePiece model: openpi's paligemma_tokenizer.model. */
  z.strictObject({ kind: z.literal('sentencepiece'), ...tokenizerFile }),
  /** The format of Hugging Face's tokenizers: LeRobot's tokenizer.json. */
  z.strictObject({ kind: z.literal('tokenizers'), ...tokenizerFile }),
]);

/**
 * policy.json: what a frozen policy is and how its inputs are made. policy.pt beside it is the
 * network; its inputs and outputs are normalised and padded by the caller with these numbers.
 */
export const contract = z
  .strictObject({
    format: z.literal(FORMAT),
    kind: z.literal('pi0'),
    name,
    /** H, the length of the action chunk that the flow produces. */
    horizon: count,
    /** Width of one action inside the flow, padding included. */
    noise_dim: count,
    state_dim: count,
    action_dim: count,
    /** Euler steps unless the caller says otherwise. */
    num_steps: count.max(MOST_STEPS),
    /** Of the weights and the cached keys and values; inputs and outputs are float32 always. */
    precision: z.enum(['float32', 'bfloat16']),
    /** Arithmetic of the rotary embedding and kind of the attention, for information. */
    rope: z.enum(['f32', 'bf16']).optional(),
    attention: z.enum(['sdpa', 'eager']).optional(),
    /** The observation's cameras, in the order that the network takes them. */
    cameras: z.array(name).min(1),
    /** Camera -> its name where the policy comes from. */
    camera_sources: z.record(name, name).optional(),
    /** Pictures of the original that are always masked; the network is run without them. */
    masked_cameras: z.array(name).optional(),
    /** Side of a square picture in pixels. */
    image_size: count,
    /**
     * How a picture of another size is made fit: not at all; as openpi does (PIL's bilinear filter
     * on bytes, black borders); as LeRobot does (plain bilinear interpolation of floats).
     */
    image_resize: z.enum(['none', 'openpi', 'lerobot']),
    /**
     * What a robot's client calls the parts of an observation, where that is not openpi's way for
     * LIBERO: camera -> key; the state's key, or keys with their lengths in order; the prompt's
     * key.
     */
    observation_keys: z
      .strictObject({
        images: z.record(name, name),
        state: z.union([name, z.record(name, count)]),
        prompt: name,
      })
      .optional(),
    prompt_length: count,
    /** How the flow's time is counted: 1 + i dt in double, or by sums in float32. */
    time_convention: z.enum(['double', 'float32']),
    normalization,
    /** Action dimensions that are offsets from the raw state. */
    delta_action_mask: z.array(z.boolean()).nullable(),
    tokenizer,
    /** Prompt -> token ids, padded with 0 to `prompt_length`. */
    prompts: z.record(z.string(), z.array(z.int().min(0))),
    /** Prompt -> how many of its tokens are real. */
    prompt_lengths: z.record(z.string(), count),
    sha256: z.looseObject({ 'policy.pt': sha256 }),
    provenance: z.looseObject({}),
  })
  .check(({ value, issues }) => {
    for (const { path, message } of contradictions(value)) {
      issues.push({ code: 'custom', path, message, input: value });
    }
  });

/** policy.json, read and checked. */
export type PolicyContract = z.output<typeof contract>;
