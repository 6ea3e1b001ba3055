import { readdirSync, readFileSync } from 'node:fs';

/** Of this process, as Linux counts: bytes that are reserved, written to or not, and threads. */
export function reserved(): number {
  const kilobytes = /^VmSize:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
  return Number(kilobytes) * 1024;
}
export function threads(): number {
  return readdirSync('/proc/self/task').length;
}

export const isLinux = process.platform === 'linux';
