/**
 * What turns text into ids, before any convention of a policy's: the runner of a tokenizer file.
 */
export interface TokenRunner {
  /** The id that begins every sequence. */
  readonly bos: number;
  /** The ids of a text, nothing added. Characters outside the vocabulary become their bytes. */
  encode(text: string): number[];
}

/** UTF-8 bytes: 0 pads, 1 ends, 2 begins, and byte b is 3 + b (python/pi0/artefact.py). */
export const byteRunner: TokenRunner = {
  bos: 2,
  encode: (text) => Array.from(new TextEncoder().encode(text), (byte) => 3 + byte),
};
