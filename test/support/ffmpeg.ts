import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * How the pretended ffmpeg behaves: `breaks` after some frames, `full`: the last write fails,
 * `bare`: it makes no H.264.
 */
export type Behaviour = 'works' | 'breaks' | 'full' | 'bare';

/**
 * Puts a program named ffmpeg into `folder`: it lists its encoders, and otherwise writes the frames
 * that it reads into its last argument, as they are, and its arguments into calls.jsonl.
 */
export function pretendFfmpeg(folder: string, behaviour: Behaviour = 'works') {
  mkdirSync(folder, { recursive: true });
  const calls = join(folder, 'calls.jsonl');
  const codec = behaviour === 'bare' ? 'mpeg4' : 'libx264';
  const program = `#!${process.execPath}
const fs = require('node:fs');
const words = process.argv.slice(2);
if (words.includes('-encoders')) {
  console.log(' V..... = Video\\n V....D ${codec}              something');
  process.exit(0);
}
const out = fs.createWriteStream(words.at(-1));
let bytes = 0;
process.stdin.on('data', (data) => {
  bytes += data.length;
  out.write(data);
  if (${behaviour === 'breaks'} && bytes > 100_000) {
    console.error('Conversion failed!');
    process.exit(1);
  }
});
process.stdin.on('end', () => out.end(() => {
  if (${behaviour === 'full'}) {
    console.error('No space left on device');
    process.exit(1);
  }
  fs.appendFileSync(${JSON.stringify(calls)}, JSON.stringify({ words, bytes }) + '\\n');
}));
`;
  writeFileSync(join(folder, 'ffmpeg'), program);
  chmodSync(join(folder, 'ffmpeg'), 0o755);
  return {
    env: { PATH: folder },
    /** Arguments and bytes read of each run that ended well. */
    calls: () =>
      readFileSync(calls, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { words: string[]; bytes: number }),
  };
}
