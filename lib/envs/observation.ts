import { DivergedError } from '../errors.js';
import {
  type BackendObservation,
  type Runtime,
  resizeFrames,
  type Tensor,
} from '../native/index.js';

/**
 * What all environments show at one moment. The tensors belong to it: `dispose` gives back their
 * memory at once, which the garbage collector would do far too late.
 */
export interface Observation {
  /** uint8 [B, H, W, 3] by the camera's name. */
  images: Record<string, Tensor<'uint8'>>;
  /** The agent's frame, uint8 [B, S, S, 3]; null for an agent that sees no picture. */
  frame: Tensor<'uint8'> | null;
  /** float32 [B, state_dim], raw. */
  state: Tensor<'float32'>;
  /** What each environment's policy is told, [B]. */
  prompts: string[];
  /** Gives the native memory of pictures and state back. */
  dispose(): void;
}

/**
 * @param frameSize side of the agent's frame; 0: no picture
 * @throws DivergedError if the state holds a value that is not finite
 */
export function toObservation(
  runtime: Runtime,
  { images, state }: BackendObservation,
  frameSize: number,
  prompts: string[],
): Observation {
  if (!state.isFinite()) {
    const what = firstNotFinite(state);
    for (const image of Object.values(images)) image.dispose();
    state.dispose();
    throw new DivergedError(what, { hint: 'look at what that environment reports' });
  }
  const frame = agentFrame(runtime, images, frameSize);
  let disposed = false;
  return {
    images,
    frame,
    state,
    prompts,
    dispose() {
      if (disposed) return;
      disposed = true;
      const pictures = new Set(Object.values(images));
      if (frame !== null) pictures.add(frame); // may be a camera's own picture
      for (const picture of pictures) picture.dispose();
      state.dispose();
    },
  };
}

/** Names the environment and the number of a state of which not all is finite. */
function firstNotFinite(state: Tensor<'float32'>): string {
  const values = state.read();
  const index = values.findIndex((value) => !Number.isFinite(value));
  const width = state.shape[1] ?? 1;
  const [env, number] = [Math.floor(index / width), index % width];
  const what = `number ${number} is ${values[index]}`;
  return `environment ${env} returned a state that is not finite: ${what}`;
}

/** The first camera's picture, resized once; the picture itself where it has the size. */
function agentFrame(
  runtime: Runtime,
  images: Record<string, Tensor<'uint8'>>,
  size: number,
): Tensor<'uint8'> | null {
  const picture = Object.values(images)[0];
  if (size === 0 || picture === undefined) return null;
  return resizeFrames(runtime, picture, size);
}
