// Builds the core with AddressSanitizer and UndefinedBehaviorSanitizer and runs its tests.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { binaryDir, buildNative } from './build-native.mjs';
import { buildDir, main } from './setup/steps.mjs';
import { setup } from './setup.mjs';
import { countGoogleTest } from './test/counts.mjs';

const SANITIZERS = 'address,undefined';

const ENVIRONMENT = {
  // LeakSanitizer cannot see which of its blocks libtorch, built without it, still holds.
  ASAN_OPTIONS: 'detect_leaks=0',
  UBSAN_OPTIONS: 'halt_on_error=1:print_stacktrace=1',
};

await main(import.meta.url, async () => {
  const torch = await setup({ tests: true });
  await buildNative({ torchHome: torch.root, sanitize: SANITIZERS, tests: true, addon: false });
  const reports = join(buildDir, 'test-sanitizers');
  mkdirSync(reports, { recursive: true });
  const program = join(binaryDir(torch.root, SANITIZERS), 'native', 'dsrl_tests');
  const { failed } = await countGoogleTest(program, reports, ENVIRONMENT);
  process.exitCode = failed === 0 ? 0 : 1;
});
