/** How the rewards of a chunk's steps become the transition's: `algorithm.chunk_reward`. */
export type ChunkReward = 'per_chunk' | 'discounted_sum' | 'first_step';

/**
 * The reward of one chunk. A step costs 1, the succeeding one nothing; nothing runs after success.
 *
 * @param executed steps that ran, at least 1
 * @param success whether the last of them succeeded
 * @param gamma discount of one environment step
 */
export function chunkReward(
  kind: ChunkReward,
  executed: number,
  success: boolean,
  gamma: number,
): number {
  switch (kind) {
    case 'per_chunk':
      return success ? 0 : -1;
    case 'first_step':
      return success && executed === 1 ? 0 : -1;
    case 'discounted_sum': {
      const paid = success ? executed - 1 : executed;
      let sum = 0;
      for (let k = 0; k < paid; k++) sum -= gamma ** k;
      return sum;
    }
  }
}
