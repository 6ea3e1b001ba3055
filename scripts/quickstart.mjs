// Sets everything up, then trains the embedded default. What follows `--` goes to the command line:
//
//   npm run quickstart -- seed=3
//
// stdout carries the command's results only; the set-up speaks on stderr.

import { dsrlNative, main } from './setup/steps.mjs';
import { wordsAreGood } from './setup/words.mjs';
import { compile, setup } from './setup.mjs';

await main(import.meta.url, async (args) => {
  await compile();
  if (!wordsAreGood(args)) return;
  await setup();
  process.exitCode = await dsrlNative(['quickstart', ...args]);
});
