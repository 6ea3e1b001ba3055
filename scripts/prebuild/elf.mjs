// What a shared library asks of the machine that opens it, read with binutils.

import { execFileSync } from 'node:child_process';

function read(command, args) {
  return execFileSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
}

/** The libraries of its DT_NEEDED, by name. */
export function neededLibraries(file) {
  const text = read('readelf', ['--dynamic', '--wide', file]);
  return [...text.matchAll(/\(NEEDED\).*\[(.+)\]/g)].map(([, name]) => name).sort();
}

/** Its RPATH or RUNPATH entries; a published library has none. */
export function runPaths(file) {
  const text = read('readelf', ['--dynamic', '--wide', file]);
  return [...text.matchAll(/\((?:RPATH|RUNPATH)\).*\[(.+)\]/g)].map(([, path]) => path);
}

/** The newest `<prefix>_x.y.z` that it asks for, for instance 2.34 for GLIBC; null for none. */
export function newestSymbolVersion(file, prefix) {
  const text = read('objdump', ['--dynamic-syms', file]);
  const versions = [...text.matchAll(new RegExp(`\\b${prefix}_(\\d[\\d.]*)`, 'g'))];
  const byVersion = new Intl.Collator('en', { numeric: true });
  return (
    versions
      .map(([, version]) => version)
      .sort(byVersion.compare)
      .at(-1) ?? null
  );
}

/** The symbols that it defines for others. */
export function exportedSymbols(file) {
  const text = read('nm', ['--dynamic', '--defined-only', '--format=posix', file]);
  return text
    .split('\n')
    .map((line) => line.split(' ')[0])
    .filter((name) => name !== '')
    .sort();
}
