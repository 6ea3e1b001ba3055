// What opening a checkpoint's tokenizer costs, and the first prompt and each one after it.
//
//   npm run build:ts
//   node bench/tokenizers.mjs paligemma_tokenizer.model tokenizer.json
//
// Each file is opened in a process of its own, and a tokenizer.json also by the library alone,
// which is why lib/policy gives it a part of the file at a time. Process CPU seconds beside the
// wall time; memory is what the process grows by, at its peak.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { openSentencePiece } from '../dist/policy/sentencepiece-runner.js';
import { openTokenizerJson } from '../dist/policy/tokenizer-json-runner.js';

const PROMPT = 'pick up the black bowl between the plate and the ramekin and place it on the plate';

const OPENERS = {
  sentencepiece: openSentencePiece,
  tokenizers: openTokenizerJson,
  async 'tokenizers, whole'(file) {
    const { Tokenizer } = await import('@huggingface/tokenizers');
    const tokenizer = new Tokenizer(JSON.parse(readFileSync(file, 'utf8')), {});
    return { encode: (text) => tokenizer.encode(text, { add_special_tokens: false }).ids };
  },
};

async function measure(kind, file) {
  const before = process.memoryUsage().rss;
  const clock = () => ({ wall: performance.now(), cpu: process.cpuUsage() });
  const since = ({ wall, cpu }) => {
    const used = process.cpuUsage(cpu);
    const seconds = [performance.now() - wall, (used.user + used.system) / 1000];
    return seconds.map((time) => `${time.toFixed(0)} ms`).join(' / CPU ');
  };
  const opening = clock();
  const runner = await OPENERS[kind](file);
  const opened = since(opening);
  const first = clock();
  const ids = runner.encode(PROMPT);
  const encoded = since(first);
  const second = clock();
  runner.encode(`${PROMPT} now`);
  const again = since(second);
  const grown = (process.resourceUsage().maxRSS * 1024 - before) / 1e6;
  process.stdout.write(
    `${kind}: open ${opened}, first prompt ${encoded}, next ${again}, ` +
      `${grown.toFixed(0)} MB, ${ids.length} ids, load ${loadavg()[0]?.toFixed(1)}\n`,
  );
}

const [first, second, kind] = process.argv.slice(2);
if (first === undefined || second === undefined) {
  process.stderr.write('node bench/tokenizers.mjs paligemma_tokenizer.model tokenizer.json\n');
  process.exitCode = 2;
} else if (kind !== undefined) {
  await measure(kind, kind === 'sentencepiece' ? first : second);
} else {
  const self = fileURLToPath(import.meta.url);
  for (const each of Object.keys(OPENERS)) {
    process.stdout.write(execFileSync(process.execPath, [self, first, second, each]));
  }
}
