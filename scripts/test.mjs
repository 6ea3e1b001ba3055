// Runs every check of the project and ends with one line: `N passed, N failed`.
//
//   node scripts/test.mjs
//
// DSRL_TEST_LIBERO=1 sets LIBERO up first (about 800 MB to fetch, once); without it the tests of
// LIBERO run where it has been set up.

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { binaryDir } from './build-native.mjs';
import { buildDir, main, root, venvPython } from './setup/steps.mjs';
import { setup } from './setup.mjs';
import { countCommand, countGoogleTest, countUnittest, countVitest } from './test/counts.mjs';
import { provideLibero } from './test/libero.mjs';

/** Runs all suites, one after another, and returns the sums. */
async function runSuites(torch) {
  const reports = join(buildDir, 'test');
  rmSync(reports, { recursive: true, force: true });
  mkdirSync(reports, { recursive: true });
  const bin = (name) => join(root, 'node_modules', '.bin', name);
  const suites = [
    () => countCommand('biome', bin('biome'), ['check', '.']),
    () => countCommand('clang-format', process.execPath, [join('scripts', 'clang-format.mjs')]),
    () => countCommand('tsc', bin('tsc'), ['-p', 'tsconfig.json', '--noEmit']),
    () => countGoogleTest(join(binaryDir(torch.root), 'native', 'dsrl_tests'), reports),
    () => countVitest(bin('vitest'), reports),
    () => countUnittest(venvPython, reports),
  ];
  const total = { passed: 0, failed: 0 };
  for (const suite of suites) {
    const { passed, failed } = await suite();
    total.passed += passed;
    total.failed += failed;
  }
  return total;
}

/** On a machine that cannot have LIBERO its tests are skipped, and the reason is said. */
async function tryLibero() {
  try {
    await provideLibero();
  } catch (error) {
    process.stderr.write(`tests of LIBERO are skipped: ${error.message}\n`);
  }
}

await main(import.meta.url, async () => {
  const torch = await setup({ tests: true });
  if (process.env.DSRL_TEST_LIBERO === '1') await tryLibero();
  const { passed, failed } = await runSuites(torch);
  process.stdout.write(`${passed} passed, ${failed} failed\n`);
  process.exitCode = failed === 0 ? 0 : 1;
});
