// The quickstart on the real LIBERO-Spatial: sets everything up, LIBERO from its packages included,
// then trains the small policy for it. Stopped and typed again, it goes on where it was.
//
//   npm run quickstart:libero -- seed=1
//
// stdout carries the command's results only; the set-up speaks on stderr.

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { dsrlNative, main, root, SetupError } from './setup/steps.mjs';
import { provideSystemPackages } from './setup/system.mjs';
import { wordsAreGood } from './setup/words.mjs';
import { compile, setup } from './setup.mjs';

const RECIPE = 'libero_spatial_small';

/** LIBERO runs on fewer Pythons than the rest, which is better said before a build of minutes. */
async function checkPython() {
  const program = pathToFileURL(join(root, 'dist', 'cli', 'libero-setup.js'));
  const { checkLiberoPython } = await import(program);
  try {
    checkLiberoPython();
  } catch (error) {
    if (error.hint === undefined) throw error;
    throw new SetupError(error.message, `${error.hint} to: npx dsrl-native libero setup`);
  }
}

await main(import.meta.url, async (args) => {
  const seed = args.find((word) => word.startsWith('seed='))?.slice('seed='.length) ?? '0';
  const run = join(root, 'logs', `${RECIPE}-quickstart-s${seed}`);
  const words = [RECIPE, '--run-dir', run, '--video', 'first', ...args];
  await compile();
  if (!wordsAreGood(words)) return;
  await provideSystemPackages({}); // a Python among them
  await checkPython();
  await setup();
  process.exitCode = await dsrlNative(['libero', 'setup'], { results: false });
  if (process.exitCode !== 0) return;
  process.exitCode = await dsrlNative(['quickstart', ...words]);
});
