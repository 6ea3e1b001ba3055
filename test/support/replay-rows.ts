import { type NetworkSizes, type ReplayRows, Tensor } from '../../lib/index.js';
import { runtime } from './training.js';

/** A tensor of zeros, float32. */
export const zeros = (...shape: number[]) =>
  Tensor.from(runtime, new Float32Array(shape.reduce((size, side) => size * side, 1)), shape);

/** `count` transitions of one step that mean nothing; their frames show `grey` alone. */
export function emptyRows(sizes: NetworkSizes, count: number, grey = 0) {
  const { image_size: side } = sizes;
  const pixels = new Uint8Array(count * side * side * 3).fill(grey);
  const frame = Tensor.from(runtime, pixels, [count, side, side, 3]);
  const state = zeros(count, sizes.state_dim);
  return {
    frame,
    state,
    nextFrame: frame,
    nextState: state,
    noise: zeros(count, sizes.noise_dim),
    rewards: new Float32Array(count),
    steps: new Int32Array(count).fill(1),
    terminated: new Uint8Array(count),
    active: new Uint8Array(count).fill(1),
    version: 0,
  } satisfies ReplayRows;
}
