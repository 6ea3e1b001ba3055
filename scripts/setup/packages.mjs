// The npm packages, and the TypeScript that is compiled with one of them.

import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { readJson, root, run, say, sha256, stamp } from './steps.mjs';

/**
 * Is what npm says it installed (node_modules/.package-lock.json) what package-lock.json asks for?
 * Optional packages of other platforms are in the second only.
 */
export function packagesAreCurrent(folder) {
  const wanted = readJson(join(folder, 'package-lock.json'))?.packages ?? {};
  const installed = readJson(join(folder, 'node_modules', '.package-lock.json'))?.packages;
  if (!installed) return false;
  return Object.entries(wanted).every(([path, { version, optional, link }]) => {
    if (path === '' || link) return true;
    if (!installed[path]) return Boolean(optional);
    return installed[path].version === version;
  });
}

export async function installPackages(options) {
  if (packagesAreCurrent(root)) return;
  say('setup: npm ci (development tools, about 270 MB in node_modules)', options);
  // Under `npm run` this is npm's own entry; under another package manager it is not npm's.
  const entry = process.env.npm_execpath;
  const [command, before] = /^npm(-cli)?\.c?js$/.test(basename(entry ?? ''))
    ? [process.execPath, [entry]]
    : ['npm', []];
  await run('npm-ci', command, [...before, 'ci', '--include=dev', '--ignore-scripts'], {
    ...options,
    hint: 'see that npm reaches its registry (npm ping), then run: npm ci --ignore-scripts',
  });
}

/** Compiles lib/ to dist/, unless neither a source nor the compiler has changed since. */
export async function compileTypeScript(options) {
  const compiler = join(root, 'node_modules', 'typescript');
  const sources = [
    'tsconfig.json',
    'tsconfig.build.json',
    ...readdirSync(join(root, 'lib'), { recursive: true })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => join('lib', file))
      .sort(),
  ];
  const state = sources.map((file) => `${file} ${sha256(readFileSync(join(root, file)))}`);
  state.push(`typescript ${readJson(join(compiler, 'package.json')).version}`);
  const done = stamp('typescript');
  const current = state.join('\n');
  const output = join(root, 'dist');
  if (done.matches(current) && existsSync(output) && statSync(output).isDirectory()) return;
  say('setup: compiling the TypeScript', options);
  rmSync(output, { recursive: true, force: true });
  const tsc = join(compiler, 'bin', 'tsc');
  await run('typescript', process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
    ...options,
    hint: 'mend the errors above, then run: npm run build:ts',
  });
  done.write(current);
}
