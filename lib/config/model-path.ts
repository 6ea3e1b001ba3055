import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { fail } from './problems.js';
import type { Config } from './schema/root.js';
import { packageRoot } from './sources.js';

/**
 * The folder of the frozen policy, absolute. A bare name is one of the policies that ship with this
 * package; anything with a slash is a path, relative to `cwd`, `~/` being the home folder.
 *
 * @throws ConfigError ERR_DSRL_CONFIG_MODEL_PATH for a bare name that does not ship. Whether a path
 *   holds a policy is found out when it is opened.
 */
export function resolveModelPath(config: Config, cwd: string = process.cwd()): string {
  const path = config.actor.model.model_path;
  if (path.startsWith('~/')) return join(homedir(), path.slice(2));
  if (path.includes('/') || path === '.' || path === '..') return resolve(cwd, path);
  const shipped = join(packageRoot, 'policies');
  const folder = join(shipped, path);
  if (existsSync(folder)) return folder;
  const names = existsSync(shipped) ? readdirSync(shipped) : [];
  fail(
    'ERR_DSRL_CONFIG_MODEL_PATH',
    `actor.model.model_path: no policy \`${path}\` ships with this package`,
    `for the folder of that name here type \`actor.model.model_path=./${path}\`; ` +
      `shipped: ${names.length > 0 ? names.join(', ') : 'none'}`,
  );
}
