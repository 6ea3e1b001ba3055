import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type Config, configToYaml } from '../config/index.js';
import { UsageError } from '../errors.js';

/** A configuration that a program makes, as `defineConfig` does. */
export function isConfigModule(file: string): boolean {
  return /\.[cm]?[jt]s$/.test(file);
}

/**
 * Runs a module and takes its default export, as text that composes again: overrides of the command
 * line go on top of it.
 *
 * @throws UsageError ERR_DSRL_CONFIG_MODULE
 */
export async function readConfigModule(file: string): Promise<{ name: string; yaml: string }> {
  if (!existsSync(file)) throw refuse(file, 'there is no such file');
  let config: unknown;
  try {
    ({ default: config } = await import(pathToFileURL(resolve(file)).href));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ERR_UNKNOWN_FILE_EXTENSION') throw refuse(file, 'this Node runs no TypeScript');
    // Its own error says more: of a configuration, or of the program.
    throw code?.startsWith('ERR_DSRL_') ? error : refuse(file, message, error);
  }
  const isConfig = typeof config === 'object' && config !== null && 'runner' in config;
  if (!isConfig) throw refuse(file, 'its default export is no configuration');
  return { name: file, yaml: configToYaml(config as Config) };
}

function refuse(file: string, why: string, cause?: unknown): UsageError {
  return new UsageError('ERR_DSRL_CONFIG_MODULE', `${file}: ${why}`, {
    hint: [
      "write: import { defineConfig } from 'dsrl-native'; export default defineConfig({ ... })",
      'TypeScript needs Node 22.18 or newer; a .mjs file runs everywhere',
    ].join('\n'),
    cause,
  });
}
