import { type BackendObservation, type Runtime, Tensor } from '../native/index.js';
import type { RobotPicture, RobotReading } from './robot.js';

/** What every reading of a robot has to hold. */
export interface ReadingShape {
  cameras: readonly string[];
  /** Side of the square pictures that the policy takes, in pixels; null: it takes any size. */
  side: number | null;
  stateDim: number;
}

/** What is missing or wrong in a reading, in words; null if it can be used. */
export function whyUnusable(
  reading: RobotReading | null,
  { cameras, side, stateDim }: ReadingShape,
): string | null {
  // A robot in JavaScript may leave out what its type demands.
  if (!reading?.images) return 'the answer has no `images`';
  if (!reading.state) return 'the answer has no `state`';
  for (const camera of cameras) {
    const picture = reading.images[camera] ?? undefined;
    if (picture === undefined) {
      const found = Object.keys(reading.images).join(', ') || 'none';
      return `there is no picture of the camera \`${camera}\`; there are: ${found}`;
    }
    const { data, height, width } = picture;
    // Handed on, another class or a picture of nothing would end the run, not the episode.
    const bytes: unknown = data;
    if (!(bytes instanceof Uint8Array)) return `the picture of \`${camera}\` is no Uint8Array`;
    const whole = [height, width].every((side) => Number.isInteger(side) && side >= 1);
    if (!whole || data.length !== height * width * 3) {
      return `the picture of \`${camera}\` has ${data.length} bytes, not ${height} x ${width} x 3`;
    }
    if (side === null || (height === side && width === side)) continue;
    return `the picture of \`${camera}\` is ${height} x ${width}, the policy takes ${side} x ${side}`;
  }
  const { state } = reading;
  if (state.length !== stateDim) return `the state has ${state.length} numbers, not ${stateDim}`;
  // As the policy takes it: 1e300 is infinite in float32, and no sensor's `null` is 0.
  const wrong = Array.from(state).findIndex(
    (value: unknown) => typeof value !== 'number' || !Number.isFinite(Math.fround(value)),
  );
  return wrong < 0 ? null : `number ${wrong} of the state is ${state[wrong]}`;
}

/**
 * What the policy looks at of a usable reading, copied: a robot may fill its own arrays again, also
 * with what ends the episode, before they are observed.
 */
export function copyOf(reading: RobotReading, { cameras }: ReadingShape): RobotReading {
  const images: Record<string, RobotPicture> = {};
  for (const camera of cameras) {
    const { data, height, width } = reading.images[camera] as RobotPicture;
    images[camera] = { data: Uint8Array.from(data), height, width };
  }
  return { images, state: Float32Array.from(reading.state) };
}

/** A usable reading as a batch of one. */
export function toBatch(
  runtime: Runtime,
  reading: RobotReading,
  { cameras }: ReadingShape,
): BackendObservation {
  const images: Record<string, Tensor<'uint8'>> = {};
  for (const camera of cameras) {
    const { data, height, width } = reading.images[camera] as RobotPicture;
    images[camera] = Tensor.from(runtime, data, [1, height, width, 3], 'uint8');
  }
  const state = Float32Array.from(reading.state);
  return { images, state: Tensor.from(runtime, state, [1, state.length], 'float32') };
}
