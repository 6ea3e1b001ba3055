import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { EnvironmentSetupError } from '../errors.js';

/** The C library that Node runs on, for instance `2.36`; null where it is not glibc. */
export function glibcVersion(): string | null {
  // Without excludeNetwork Node resolves the names of open connections while it reports. The types
  // of Node 20 do not know it, nor do they know what a report holds.
  const report = process.report as { excludeNetwork?: boolean; getReport(): object };
  const before = report.excludeNetwork;
  report.excludeNetwork = true;
  const { header } = report.getReport() as { header: { glibcVersionRuntime?: string } };
  if (before !== undefined) report.excludeNetwork = before;
  return header.glibcVersionRuntime ?? null;
}

/** For instance `linux-x64 (glibc 2.36)`. */
export function describePlatform(): string {
  const glibc = glibcVersion();
  return `${process.platform}-${process.arch}${glibc === null ? '' : ` (glibc ${glibc})`}`;
}

/**
 * @param what what is asked for, to begin a sentence with: `the native code compiles`
 * @throws EnvironmentSetupError ERR_DSRL_PLATFORM anywhere else
 */
export function requireGlibcLinux(what: string): void {
  if (process.platform === 'linux' && glibcVersion() !== null) return;
  throw new EnvironmentSetupError(
    'ERR_DSRL_PLATFORM',
    `${what} on Linux with glibc, and this is ${describePlatform()}`,
    { hint: 'use a container or a virtual machine, for instance with Debian' },
  );
}

export function packageVersion(packageRoot: string): string {
  const file = join(packageRoot, 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
