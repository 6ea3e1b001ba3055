// Builds the core's tests with sanitizers and runs them: AddressSanitizer with
// UndefinedBehaviorSanitizer, then ThreadSanitizer. scripts/test-asan.mjs does it to the addon.
//
//   node scripts/test-sanitizers.mjs

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { binaryDir, buildNative } from './build-native.mjs';
import { buildDir, main } from './setup/steps.mjs';
import { setup } from './setup.mjs';
import { countGoogleTest } from './test/counts.mjs';
import { ADDRESS, THREAD } from './test/sanitizers.mjs';

await main(import.meta.url, async () => {
  const torch = await setup({ tests: true });
  const reports = join(buildDir, 'test-sanitizers');
  const total = { passed: 0, failed: 0 };
  for (const { sanitize, env } of [ADDRESS, THREAD]) {
    rmSync(reports, { recursive: true, force: true });
    mkdirSync(reports, { recursive: true });
    await buildNative({ torchHome: torch.root, sanitize, tests: true, addon: false });
    const program = join(binaryDir(torch.root, sanitize), 'native', 'dsrl_tests');
    const title = `C++ with -fsanitize=${sanitize}`;
    const { passed, failed } = await countGoogleTest(program, reports, { title, env });
    total.passed += passed;
    total.failed += failed;
  }
  process.stdout.write(`${total.passed} passed, ${total.failed} failed\n`);
  process.exitCode = total.failed === 0 ? 0 : 1;
});
