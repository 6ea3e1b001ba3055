import { defineConfig } from 'vitest/config';
import base from './vitest.config.js';

/**
 * What opens the addon within the test's own process, in worker threads of one process instead of
 * processes of their own: several of them load libtorch and the core, and end, side by side.
 */
export default defineConfig({
  ...base,
  test: {
    ...base.test,
    pool: 'threads',
    include: [
      'test/native/{memory,signal,tensor,worker}.test.ts',
      'test/envs/*.test.ts',
      'test/policy/{api,policy,prompts,sample,steered}*.test.ts',
      'test/serve/{client,msgpack,policy-service,robot-keys,server,signal}.test.ts',
      'test/train/{one_global_step,trainer}.test.ts',
    ],
  },
});
