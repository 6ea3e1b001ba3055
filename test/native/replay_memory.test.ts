/** What a replay takes of the machine's memory, as the kernel counts it. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { replayBytes } from '../../lib/config/index.js';
import { composeConfig, networkSizes, Replay, replayCapacity } from '../../lib/index.js';
import { runtime } from '../support/training.js';

const overrides = ['algorithm.replay_buffer.capacity=40_000', 'env.train.total_num_envs=8'];
const { config } = composeConfig({ recipe: 'tabletop', overrides });

/** Bytes of address space: what is reserved, whether or not it was written to. */
function reserved(): number {
  const [, kilobytes] =
    /^VmSize:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return Number(kilobytes) * 1024;
}

test.runIf(process.platform === 'linux')('a replay reserves what is told of it', () => {
  const sizes = networkSizes(config);
  const before = reserved();
  const replay = new Replay(runtime, sizes, replayCapacity(config), 8);
  const taken = reserved() - before;
  expect(replay.capacity).toBe(40_000);
  expect(taken / replayBytes(config)).toBeCloseTo(1, 1);
});
