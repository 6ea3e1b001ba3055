import type { ActingPicture } from '../acting-policy.js';
import { PolicyError } from '../errors.js';
import { Tensor } from '../native/index.js';
import type { Packable } from './decode.js';
import { NdArray } from './ndarray.js';

/**
 * A picture in any of the forms that a local policy takes, as it goes over the wire.
 *
 * @param side height and width of a picture that is bytes alone; null: the server did not say
 * @throws PolicyError ERR_DSRL_POLICY_CONTRACT for a picture that is none
 */
export function pictureToSend(camera: string, given: ActingPicture, side: number | null): NdArray {
  if (given instanceof Tensor) {
    const { dtype, shape } = given;
    if (dtype === 'uint8' && shape.length === 3 && shape[2] === 3) {
      return new NdArray(given.read(), shape);
    }
    throw refused(
      `the picture of \`${camera}\` is a tensor ${dtype} [${shape.join(', ')}]`,
      'give uint8 [height, width, 3], RGB',
    );
  }
  if (given instanceof Uint8Array) {
    if (side !== null && given.length === side * side * 3)
      return new NdArray(given, [side, side, 3]);
    const other = side === null ? 'the server names no size' : `it takes ${side} x ${side} x 3`;
    throw refused(
      `the picture of \`${camera}\` is ${given.length} bytes without a size; ${other}`,
      'give { data, height, width }, RGB, row by row',
    );
  }
  const { height, width } = given ?? {};
  const data: unknown = given?.data;
  const whole = [height, width].every((length) => Number.isInteger(length) && length >= 1);
  if (whole && data instanceof Uint8Array && data.length === height * width * 3) {
    return new NdArray(data, [height, width, 3]);
  }
  throw refused(
    `the picture of \`${camera}\` is no Uint8Array of ${height} x ${width} x 3`,
    'give { data, height, width }, RGB, row by row',
  );
}

/** What `serve` says of the size of a picture that is bytes alone; other servers say nothing. */
export function sideOf(metadata: Packable): number | null {
  const said = (metadata as { image_size?: unknown } | null)?.image_size;
  return typeof said === 'number' && Number.isInteger(said) && said >= 1 ? said : null;
}

export function refused(message: string, hint: string): PolicyError {
  return new PolicyError('ERR_DSRL_POLICY_CONTRACT', message, { hint });
}
