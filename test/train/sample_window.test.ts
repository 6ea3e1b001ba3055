/** `sample_window_size`: batches come from the newest rollouts, whatever the replay still holds. */
import { expect, test } from 'vitest';
import { configured, metrics, tensors, training } from '../support/training.js';

const BUFFER = 'algorithm.replay_buffer';

test('a window of one rollout learns what a replay of one rollout learns', async () => {
  const one = await training({
    config: configured(`${BUFFER}.cache_size=1`, `${BUFFER}.sample_window_size=1`),
  });
  const window = await training({ config: configured(`${BUFFER}.sample_window_size=1`) });
  const all = await training({ config: configured() });
  expect(tensors(window.checkpoint)).toEqual(tensors(one.checkpoint));
  expect(tensors(all.checkpoint)).not.toEqual(tensors(one.checkpoint));
  // What is held is what `cache_size` says: 48 transitions a rollout.
  const held = (run: string) => metrics(run).map((row) => row['train/replay_buffer/size']);
  expect(held(one.run)).toEqual([48, 48, 48, 48]);
  expect(held(window.run)).toEqual([48, 96, 144, 192]);
});
