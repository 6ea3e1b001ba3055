// Makes a fresh clone ready: packages, compiler, torch, addon, TypeScript. Idempotent: what is
// there is used, and what is done is not done again.
//
//   node scripts/setup.mjs [--tests] [--quiet] [--torch-home DIR]

import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { buildNative } from './build-native.mjs';
import { compileTypeScript, installPackages } from './setup/packages.mjs';
import { installTorch, privateTorch, provideVenv, TORCH_MINORS } from './setup/python.mjs';
import { buildDir, main, root, SetupError, say } from './setup/steps.mjs';
import { provideSystemPackages } from './setup/system.mjs';

const NODE_OLDEST = [20, 19];

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > NODE_OLDEST[0] || (major === NODE_OLDEST[0] && minor >= NODE_OLDEST[1])) return;
  throw new SetupError(
    `Node ${process.versions.node} is too old`,
    `install Node ${NODE_OLDEST.join('.')} or newer`,
  );
}

/** Why the addon cannot be built against this torch, or null. */
function whyNotBuildable(torch) {
  if (!TORCH_MINORS.includes(torch.minor)) {
    return `not in the supported range ${TORCH_MINORS[0]} to ${TORCH_MINORS.at(-1)}`;
  }
  const needed = ['version.py', join('include', 'ATen', 'ATen.h'), join('lib', 'libc10.so')];
  const missing = needed.find((file) => !existsSync(join(torch.root, file)));
  return missing ? `cannot be built against: no ${missing} in it` : null;
}

/** The torch to build against: one that is there, else a private one. */
async function provideTorch(options) {
  // Compiled a moment ago: the set-up looks for torch exactly as the package itself does.
  const resolver = pathToFileURL(join(root, 'dist', 'torch', 'resolve.js'));
  const { resolveTorch } = await import(resolver);
  const find = (torchHome) => resolveTorch({ torchHome, refuse: whyNotBuildable });
  let { torch, attempts } = find(options.torchHome);
  const tried = () => attempts.map(({ source, verdict }) => `  ${source}: ${verdict}`).join('\n');
  const named = options.torchHome ?? process.env.DSRL_TORCH_HOME;
  if (!torch && named) {
    throw new SetupError(
      `the torch that was named cannot be used\n${tried()}`,
      'name the folder of a torch package, the one that holds lib/, include/ and version.py',
    );
  }
  const own = privateTorch();
  if (!torch && own) ({ torch, attempts } = find(own));
  if (!torch) {
    say(`setup: no usable torch found\n${tried()}`, options);
    ({ torch, attempts } = find(await installTorch(options)));
    if (!torch)
      throw new SetupError(`the torch just installed is unusable\n${tried()}`, 'rm -r .venv');
  }
  mkdirSync(buildDir, { recursive: true });
  const record = { root: torch.root, version: torch.version, cuda: torch.cuda };
  writeFileSync(join(buildDir, 'torch.json'), `${JSON.stringify(record, null, 2)}\n`);
  return torch;
}

/** The first and quick part: from here on dist/ says whether words and configurations are good. */
export async function compile(options = {}) {
  checkNode();
  await installPackages(options);
  await compileTypeScript(options);
}

/** `tests` also provides what `npm test` needs; `quiet` says nothing unless something fails. */
export async function setup(options = {}) {
  await compile(options);
  await provideSystemPackages(options);
  const torch = await provideTorch(options);
  await provideVenv(torch, options);
  await buildNative({ ...options, torchHome: torch.root });
  return torch;
}

await main(import.meta.url, async (args) => {
  const { values } = parseArgs({
    args,
    options: {
      tests: { type: 'boolean' },
      quiet: { type: 'boolean' },
      'torch-home': { type: 'string' },
    },
  });
  const { tests, quiet } = values;
  const torch = await setup({ tests, quiet, torchHome: values['torch-home'] });
  say(`setup: ready, torch ${torch.version} at ${torch.root}`, { quiet });
});
