import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** A fenced block or a code span that starts with one of these and a word after it is a command. */
const COMMAND =
  /^(?:[A-Z_]+=\S+ )*(?:npm|npx|node|bash|dsrl-native|python3?|pip|tensorboard|git) \S/;

/** The pages that a reader may type from. */
export function pages(): string[] {
  const inside = (folder: string) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.md') && !file.includes('node_modules'))
      .map((file) => join(folder, file));
  const top = readdirSync(ROOT).filter((file) => file.endsWith('.md'));
  return [...top, ...inside('docs'), ...inside('python'), ...inside('examples')].sort();
}

export function readPage(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8');
}

/** The fenced blocks of a page, without their fences. */
export function fencedBlocks(text: string): string[] {
  return [...text.matchAll(/^```[^\n]*\n(.*?)^```$/gms)].map((match) => match[1] ?? '');
}

/**
 * The commands of a page in the order in which they stand: lines of fenced blocks and code spans.
 * `# ...` behind a command is a comment, `\` at its end continues it, and `npx` before this
 * package's own program is left out: each command once, however it is written.
 */
export function commandsOf(text: string): string[] {
  const blocks = /^```[^\n]*\n(.*?)^```$|`([^`\n]+)`/gms;
  const lines = [...text.matchAll(blocks)].flatMap(([, block, span]) =>
    span !== undefined ? [span] : (block ?? '').replace(/\\\n\s*/g, '').split('\n'),
  );
  const commands = lines
    .map((line) => line.replace(/\s+#.*$/, '').trim())
    .filter((line) => COMMAND.test(line))
    .map((line) => line.replace(/^npx dsrl-native/, 'dsrl-native'));
  return [...new Set(commands)];
}

/** A line with its numbers taken out: what stays the same from one run to the next. */
export function shapeOf(line: string): string {
  return line.replace(/-?\d[\d.,:]*k?/g, '#').trimEnd();
}
