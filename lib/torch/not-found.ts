import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type TorchAttempt, TorchNotFoundError } from '../errors.js';

export interface NotFoundContext {
  attempts: readonly TorchAttempt[];
  /** The minor versions that there are cores for. */
  minors: readonly string[];
  packageVersion: string;
  /** For instance `linux-x64 (glibc 2.36)`. */
  platform: string;
  nodeVersion: string;
  /** A checkout builds by its own scripts, an installed package by `dsrl-native build`. */
  isCheckout: boolean;
}

/** The error that lists every place looked at, and what to type to mend it. */
export function torchNotFound(context: NotFoundContext): TorchNotFoundError {
  const { attempts, minors } = context;
  const cores = minors.length === 0 ? 'no core' : `cores for torch ${minors.join(', ')}`;
  const width = Math.max(...attempts.map(({ source }) => source.length));
  const hint = [
    `platform ${context.platform}, Node ${context.nodeVersion}`,
    `dsrl-native ${context.packageVersion} with ${cores}`,
    'tried:',
    ...attempts.map(
      ({ source, verdict }, index) => `  ${index + 1}. ${source.padEnd(width)}  ${verdict}`,
    ),
    'fix one of:',
    ...fixes(context).map((line) => `  - ${line}`),
    'details: dsrl-native doctor',
  ].join('\n');
  return new TorchNotFoundError('dsrl-native could not load a PyTorch runtime', attempts, { hint });
}

function fixes({ minors, isCheckout }: NotFoundContext): string[] {
  const newest = minors.at(-1);
  const table: [string, string][] = [];
  if (isCheckout) {
    table.push(['npm run setup', 'builds a core for the torch that is there, or fetches one']);
  }
  if (newest !== undefined) {
    table.push([`pip install "torch==${newest}.*"`, 'in the active environment']);
    table.push([
      `npx dsrl-native setup --torch ${newest}`,
      'a private torch, in your cache folder',
    ]);
    table.push(['export DSRL_TORCH_HOME=DIR', `a torch ${newest} elsewhere: DIR holds its lib/`]);
  }
  if (!isCheckout) {
    table.push(['npx dsrl-native build --torch-home DIR', 'compiles a core for the torch in DIR']);
  }
  const width = Math.max(...table.map(([command]) => command.length));
  return table.map(([command, purpose]) => `${command.padEnd(width)}  ${purpose}`);
}

/** A checkout has the scripts that build; an installed package has no lock file beside them. */
export function isCheckout(packageRoot: string): boolean {
  return existsSync(join(packageRoot, 'package-lock.json'));
}
