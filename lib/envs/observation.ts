import { DivergedError } from '../errors.js';
import { type BackendObservation, type Runtime, resizeFrames, Tensor } from '../native/index.js';

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
 * @param running whether each environment is; what one shows that waits or broke is not looked at
 * @throws DivergedError if the state of a running environment holds a value that is not finite
 */
export function toObservation(
  runtime: Runtime,
  shown: BackendObservation,
  frameSize: number,
  prompts: string[],
  running: readonly boolean[],
): Observation {
  const { images } = shown;
  const state = shown.state.isFinite() ? shown.state : finiteState(runtime, shown, running);
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

/**
 * The state with zeros for the environments that do not run: a broken one must not pass for the
 * policy's or the learner's divergence. Takes over `shown`'s state.
 */
function finiteState(
  runtime: Runtime,
  { images, state }: BackendObservation,
  running: readonly boolean[],
): Tensor<'float32'> {
  const [envs = 0, width = 1] = state.shape;
  const values = Float32Array.from(state.read());
  state.dispose();
  for (let env = 0; env < envs; env++) {
    const row = values.subarray(env * width, (env + 1) * width);
    const number = row.findIndex((value) => !Number.isFinite(value));
    if (number < 0) continue;
    if (running[env]) {
      for (const image of Object.values(images)) image.dispose();
      const what = `number ${number} is ${row[number]}`;
      throw new DivergedError(`environment ${env} returned a state that is not finite: ${what}`, {
        hint: 'look at what that environment reports',
      });
    }
    row.fill(0);
  }
  return Tensor.from(runtime, values, [envs, width]);
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
