import { expect, it } from 'vitest';
import { Batcher } from '../../lib/serve/batcher.js';

const FOR_EVER = 2 ** 30; // milliseconds

it('does not wait for its window to end once the largest batch is there', async () => {
  const sizes: number[] = [];
  const double = async (items: number[]) => {
    sizes.push(items.length);
    return items.map((item) => 2 * item);
  };
  const batcher = new Batcher(double, { windowMs: FOR_EVER, largest: 3 });
  const answers = [1, 2, 3].map((item) => batcher.submit(item));
  expect(await Promise.all(answers)).toEqual([2, 4, 6]);
  expect(sizes).toEqual([3]);
});

it('takes what comes within the window into one batch', async () => {
  const sizes: number[] = [];
  const count = async (items: number[]) => {
    sizes.push(items.length);
    return items;
  };
  const batcher = new Batcher(count, { windowMs: 20, largest: 3 });
  await Promise.all([batcher.submit(1), batcher.submit(2)]);
  expect(sizes).toEqual([2]);
});

it('takes an error of a batch apart, item by item', async () => {
  const refuseTwo = async (items: number[]) => {
    if (items.includes(2)) throw new Error('two');
    return items;
  };
  const batcher = new Batcher(refuseTwo, { windowMs: 20, largest: 3 });
  const answers = [1, 2].map((item) => batcher.submit(item));
  expect(await Promise.allSettled(answers)).toEqual([
    { status: 'fulfilled', value: 1 },
    { status: 'rejected', reason: new Error('two') },
  ]);
});
