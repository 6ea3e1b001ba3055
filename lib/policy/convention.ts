import type { TokenRunner } from './token-runner.js';

/**
 * The ids of a prompt, as one of the originals makes them:
 * * `openpi` (openpi, models/tokenizer.py, PaligemmaTokenizer): white space around the prompt goes,
 *   `_` and newlines become spaces, and the newline that ends it is encoded by itself;
 * * `lerobot` (lerobot, policies/pi0/processor_pi0.py, Pi0NewLineProcessor): a newline is appended
 *   unless one is there, and everything is encoded together, spaces and `_` as they are;
 * * `byte`: the same, with a newline appended always (python/pi0/artefact.py).
 */
export type Convention = 'openpi' | 'lerobot' | 'byte';

export function promptIds(convention: Convention, runner: TokenRunner, text: string): number[] {
  // Half a surrogate pair has no UTF-8: WebAssembly would read on behind it.
  const prompt = Buffer.from(text).toString();
  switch (convention) {
    case 'openpi': {
      const cleaned = strip(prompt).replaceAll('_', ' ').replaceAll('\n', ' ');
      return [runner.bos, ...runner.encode(cleaned), ...runner.encode('\n')];
    }
    case 'lerobot':
      return [runner.bos, ...runner.encode(prompt.endsWith('\n') ? prompt : `${prompt}\n`)];
    case 'byte':
      return [runner.bos, ...runner.encode(`${prompt}\n`)];
  }
}

/**
 * Python's str.strip(): four control characters and U+0085 count as white space, U+FEFF does not.
 */
const SPACE =
  '[\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const AROUND = new RegExp(`^${SPACE}+|${SPACE}+$`, 'g');

function strip(text: string): string {
  return text.replace(AROUND, '');
}
