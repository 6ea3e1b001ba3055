import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { poorPath } from './tarball.js';

export type Environment = Record<string, string>;

/** The environment of a machine with Node and a torch, and without a compiler, CMake or Python. */
export function poorMachine(folder: string, torchHome: string): Environment {
  mkdirSync(join(folder, 'bin'));
  mkdirSync(join(folder, 'home'));
  const cache = execFileSync('npm', ['config', 'get', 'cache'], { encoding: 'utf8' }).trim();
  const env: Environment = {
    PATH: poorPath(join(folder, 'bin')),
    HOME: join(folder, 'home'),
    npm_config_cache: cache, // the packages that we depend on are fetched once a machine
    DSRL_TORCH_HOME: torchHome,
  };
  for (const name of ['npm_config_registry', 'NPM_CONFIG_USERCONFIG', 'npm_config_userconfig']) {
    const value = process.env[name];
    if (value !== undefined) env[name] = value;
  }
  return env;
}

/** A robot's project in `place`, with the tarball as its one dependency. */
export function installInto(
  place: string,
  tarball: string,
  options: readonly string[],
  env: Environment,
): void {
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, 'package.json'), '{ "name": "robot", "private": true }');
  execFileSync('npm', ['install', '--no-audit', '--no-fund', ...options, tarball], {
    cwd: place,
    env,
    stdio: 'pipe',
  });
}

export function runIn(place: string, command: string, words: readonly string[], env: Environment) {
  const result = spawnSync(command, words, { cwd: place, env, encoding: 'utf8' });
  return { code: result.status, stdout: result.stdout, stderr: result.stderr };
}
