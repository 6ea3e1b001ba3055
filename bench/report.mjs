// What the reports of the benches share.

import { cpus } from 'node:os';

/** A table of Markdown. */
export function table(head, rows) {
  return [head, head.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n');
}

/** The processors of this machine: `2 x Name`. */
export function processors() {
  return `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown processor'}`;
}
