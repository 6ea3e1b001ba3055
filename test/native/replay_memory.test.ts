/** What a replay takes of the machine's memory, as the kernel counts it. */
import { expect, test } from 'vitest';
import { replayBytes } from '../../lib/config/index.js';
import { composeConfig, networkSizes, Replay, replayCapacity } from '../../lib/index.js';
import { isLinux, reserved } from '../support/process-memory.js';
import { runtime } from '../support/training.js';

// More than the 1 GiB up to which native/addon/addon.cc has the allocator keep what is freed.
const overrides = ['algorithm.replay_buffer.capacity=60_000', 'env.train.total_num_envs=8'];
const { config } = composeConfig({ recipe: 'tabletop', overrides });

test.runIf(isLinux)('a replay reserves what is told of it, until it is disposed of', () => {
  const sizes = networkSizes(config);
  const before = reserved();
  const replay = new Replay(runtime, sizes, replayCapacity(config), 8);
  const taken = reserved() - before;
  expect(replay.capacity).toBe(60_000);
  expect(taken / replayBytes(config)).toBeCloseTo(1, 1);
  replay.dispose();
  expect(reserved() - before).toBeLessThan(taken / 10);
});
