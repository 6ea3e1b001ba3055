// Checks the C++ sources against .clang-format, or with --write brings them into that form.

import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { main, root, SetupError, venvDir } from './setup/steps.mjs';

await main(import.meta.url, (args) => {
  const folder = join(root, 'native');
  const sources = readdirSync(folder, { recursive: true })
    .filter((file) => /\.(h|cc|cu)$/.test(file))
    .map((file) => join(folder, file));
  // The pinned version of .venv, and no other: every version formats a little differently.
  const program = join(venvDir, 'bin', 'clang-format');
  const mode = args.includes('--write') ? ['-i'] : ['--dry-run', '--Werror'];
  const { status, error } = spawnSync(program, [...mode, ...sources], { stdio: 'inherit' });
  if (error) throw new SetupError(`cannot run ${program}`, 'type: npm run setup -- --tests');
  if (status !== 0) process.exitCode = 1;
});
