// Runs the TypeScript tests that compute on an addon built with AddressSanitizer and
// UndefinedBehaviorSanitizer.
//
//   node scripts/test-asan.mjs [what vitest takes ...]
//
// A copy of the checkout under build/ holds the instrumented addon as its own: neither the tests
// nor the package know of it, and the addon of the checkout stays as it is.

import { copyFileSync, cpSync, mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { buildNative, outputDir } from './build-native.mjs';
import { ask, buildDir, main, root, SetupError } from './setup/steps.mjs';
import { findCompiler } from './setup/system.mjs';
import { setup } from './setup.mjs';
import { countVitest } from './test/counts.mjs';
import { ADDRESS } from './test/sanitizers.mjs';

/**
 * Tests of the set-up, the configuration, the logs and the documents compute nothing, and a tarball
 * packs a core that it compiles without the sanitizers.
 */
const WITHOUT_ADDON = ['setup', 'torch', 'config', 'log', 'docs', 'pack'];

/** Everything that git does not ignore, and what the set-up made of it. */
function copyCheckout(copy, addon) {
  const listed = ask('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
  });
  if (listed === null) throw new SetupError('git does not list the files', 'work in a clone');
  rmSync(copy, { recursive: true, force: true });
  mkdirSync(copy, { recursive: true });
  for (const path of [...listed.split('\n'), 'dist']) {
    cpSync(join(root, path), join(copy, path), { recursive: true });
  }
  for (const name of ['node_modules', '.venv']) symlinkSync(join(root, name), join(copy, name));
  symlinkSync(addon, join(copy, 'build'));
  copyFileSync(join(buildDir, 'torch.json'), join(addon, 'torch.json')); // the set-up's choice
}

await main(import.meta.url, async (args) => {
  const torch = await setup({ tests: true });
  const { sanitize, env } = ADDRESS;
  await buildNative({ torchHome: torch.root, sanitize });
  const copy = join(buildDir, 'asan-checkout');
  copyCheckout(copy, outputDir(torch.root, sanitize));
  const reports = join(buildDir, 'test-asan');
  mkdirSync(reports, { recursive: true });
  const { passed, failed } = await countVitest(
    join(root, 'node_modules', '.bin', 'vitest'),
    reports,
    {
      cwd: copy,
      env: {
        ...env,
        DSRL_TORCH_HOME: torch.root,
        // Freed memory is kept for a while to see late uses: nothing can be said of its amount.
        DSRL_SANITIZED: '1',
        // Node is not built with it, and it must come before every other library.
        LD_PRELOAD: ask(findCompiler(), ['-print-file-name=libasan.so']),
      },
      more: [
        // Everything takes several times as long.
        '--testTimeout=1200000',
        '--hookTimeout=1200000',
        ...(args.length > 0 ? args : WITHOUT_ADDON.map((folder) => `--exclude=test/${folder}/**`)),
      ],
    },
  );
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  process.exitCode = failed === 0 ? 0 : 1;
});
