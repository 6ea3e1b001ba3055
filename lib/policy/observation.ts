import { PolicyError } from '../errors.js';
import type { Tensor } from '../native/index.js';
import type { PolicyContract } from './contract.js';

/** A batch of observations as handles of native memory. */
export interface PolicyObservation {
  /**
   * Camera -> uint8 [B, H, W, 3], upright, RGB. H and W are the policy's `image_size` unless its
   * `image_resize` makes others fit.
   */
  images: Readonly<Record<string, Tensor<'uint8'>>>;
  /** float32 [B, state_dim], raw proprioception. */
  state: Tensor<'float32'>;
  /** What each environment is told, [B]. */
  prompts: readonly string[];
}

type Declared = Pick<
  PolicyContract,
  'name' | 'cameras' | 'image_size' | 'image_resize' | 'state_dim'
>;

/**
 * Checks an observation against what the policy declares.
 *
 * @returns its pictures in the order of the policy's cameras
 * @throws PolicyError ERR_DSRL_POLICY_CONTRACT that names what is declared and what was found
 */
export function checkObservation(
  policy: Declared,
  { images, state, prompts }: PolicyObservation,
): Tensor<'uint8'>[] {
  const [rows, width] = state.shape;
  if (state.dtype !== 'float32' || state.shape.length !== 2 || width !== policy.state_dim) {
    throw mismatch(
      `the policy ${policy.name} takes a state of float32 [B, ${policy.state_dim}], ` +
        `the observation's is ${state.dtype} [${state.shape.join(', ')}]`,
      'give the raw proprioception in the order of the data that the policy was trained on',
    );
  }
  if (prompts.length !== rows) {
    throw mismatch(
      `the observation has ${rows} rows of state and ${prompts.length} prompts`,
      'give each row its prompt',
    );
  }
  return policy.cameras.map((camera) => {
    const image = images[camera];
    if (image === undefined) throw missingCamera(policy, camera, Object.keys(images));
    checkPicture(policy, camera, image);
    if (image.shape[0] === rows) return image;
    throw mismatch(
      `the observation has ${rows} rows of state and ${image.shape[0]} pictures of \`${camera}\``,
      'give each row its picture',
    );
  });
}

export function missingCamera(
  policy: Declared,
  camera: string,
  found: readonly string[],
): PolicyError {
  const list = found.length === 0 ? 'none' : found.map((name) => `\`${name}\``).join(', ');
  return mismatch(
    `the policy ${policy.name} needs the camera \`${camera}\`, the observation has ${list}`,
    `its cameras are ${policy.cameras.join(', ')}; rename the pictures, or name another policy`,
  );
}

function checkPicture(policy: Declared, camera: string, image: Tensor): void {
  const { image_size: size, image_resize } = policy;
  const [, height, width, channels] = image.shape;
  const any = image_resize !== 'none';
  const declared = any ? '[B, H, W, 3]' : `[B, ${size}, ${size}, 3]`;
  const fits = any || (height === size && width === size);
  const shaped = image.shape.length === 4 && channels === 3;
  if (image.dtype === 'uint8' && shaped && fits) return;
  throw mismatch(
    `the policy ${policy.name} takes pictures of uint8 ${declared}, the observation's ` +
      `camera \`${camera}\` is ${image.dtype} [${image.shape.join(', ')}]`,
    pictureHint(policy, image.dtype, image.shape),
  );
}

/** What is most likely wrong with a picture, and what to do about it. */
export function pictureHint(
  { image_size: size, image_resize }: Pick<PolicyContract, 'image_size' | 'image_resize'>,
  dtype: string,
  shape: readonly number[],
): string {
  const [first, last] = [shape.at(-3), shape.at(-1)];
  if (first === 3 && last !== 3) return 'the channels come first: move them last, [H, W, 3]';
  if (last === 4) return 'the pictures have an alpha channel: leave it out';
  if (last === 1) return 'the pictures are grey: repeat the channel three times';
  if (dtype !== 'uint8') return 'give the bytes of the picture, 0 to 255, as they leave the camera';
  if (image_resize !== 'none') return 'give pictures as uint8 [H, W, 3]';
  return (
    `resize them to ${size} x ${size} yourself, or export the policy with a resizing ` +
    '(`image_resize` of its policy.json)'
  );
}

export function mismatch(message: string, hint: string): PolicyError {
  return new PolicyError('ERR_DSRL_POLICY_CONTRACT', message, { hint });
}
