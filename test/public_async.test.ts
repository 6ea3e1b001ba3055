import { expect, test } from 'vitest';
import { publicAsyncCalls } from './support/public-api.js';

/** What takes no signal, and why. */
const WITHOUT: Record<string, string> = {
  'Film#record': 'is given pictures that are only lent, and has to be done with them',
  'RobotEnvironment#stop': 'brings a robot to rest, which nothing may interrupt',
};

test('every public function and method that answers later takes { signal }', () => {
  const calls = publicAsyncCalls();
  const without = calls.filter(({ takesSignal }) => !takesSignal).map(({ name }) => name);
  expect(without).toEqual(Object.keys(WITHOUT));
  const found = ['train', 'serve', 'Policy.load', 'Policy#infer', 'Trainer#run', 'Agent#act'];
  expect(calls.map(({ name }) => name)).toEqual(expect.arrayContaining(found));
});
