import { defineConfig, mergeConfig } from 'vitest/config';
import base from './vitest.config.js';

/** Tests that install packages or train for minutes: `.ci/full` runs them, `npm test` does not. */
export default mergeConfig(
  { ...base, test: { ...base.test, include: [] } },
  defineConfig({
    test: { include: ['test/**/*.slow.ts'], testTimeout: 600_000, hookTimeout: 600_000 },
  }),
);
