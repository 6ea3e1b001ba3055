import { type PictureRows, Tensor } from '../native/index.js';
import type { PolicyContract } from './contract.js';
import { mismatch, missingCamera, pictureHint } from './observation.js';

/** A picture with its size, as decoders and camera drivers give it: row by row, RGB. */
export interface SizedPicture {
  data: Uint8Array;
  height: number;
  width: number;
}

/**
 * One camera's picture, upright, RGB, row by row with the channels last: bytes alone if it has the
 * policy's own size, with height and width otherwise, or a tensor [H, W, 3].
 */
export type Picture = Uint8Array | SizedPicture | Tensor<'uint8'>;

/** One batch of a camera's pictures, a row an observation, checked. */
export function pictureRows(
  policy: PolicyContract,
  camera: string,
  observations: readonly Readonly<Record<string, Picture>>[],
): PictureRows {
  const pictures = observations.map((images) => {
    const picture = images[camera];
    if (picture === undefined || picture === null) {
      const found = Object.keys(images).filter((name) => images[name] != null);
      throw missingCamera(policy, camera, found);
    }
    return sized(policy, camera, picture);
  });
  const { height, width } = pictures[0] as SizedPicture;
  const other = pictures.find((picture) => picture.height !== height || picture.width !== width);
  if (other === undefined) return { rows: pictures.map(({ data }) => data), height, width };
  throw mismatch(
    `the pictures of \`${camera}\` differ in size: ${height} x ${width} and ` +
      `${other.height} x ${other.width}`,
    'infer observations of different sizes in calls of their own',
  );
}

function sized(policy: PolicyContract, camera: string, picture: Picture): SizedPicture {
  const { name, image_size: side, image_resize } = policy;
  const any = image_resize !== 'none';
  const declared = any ? '[H, W, 3]' : `[${side}, ${side}, 3]`;
  const refuse = (found: string, hint: string) =>
    mismatch(
      `the policy ${name} takes pictures of uint8 ${declared}, the observation's camera ` +
        `\`${camera}\` is ${found}`,
      hint,
    );

  if (picture instanceof Tensor) {
    const { dtype, shape } = picture;
    const [height = 0, width = 0, channels] = shape;
    const fits = any || (height === side && width === side);
    if (dtype === 'uint8' && shape.length === 3 && channels === 3 && fits) {
      return { data: picture.read(), height, width };
    }
    throw refuse(`${dtype} [${shape.join(', ')}]`, pictureHint(policy, dtype, shape));
  }
  if (picture instanceof Uint8Array) {
    if (picture.length === side * side * 3) return { data: picture, height: side, width: side };
    throw refuse(
      `a Uint8Array of ${picture.length} bytes, not of ${side} x ${side} x 3`,
      any
        ? 'give { data, height, width }: the size does not follow from the number of bytes'
        : pictureHint(policy, 'uint8', [side, side, picture.length / (side * side)]),
    );
  }
  const { height, width } = picture;
  const data: unknown = picture.data;
  const whole = (side: number) => Number.isInteger(side) && side >= 1;
  if (!(data instanceof Uint8Array) || !whole(height) || !whole(width)) {
    const given = data === undefined ? kindOf(picture) : kindOf(data);
    const size = `height ${height}, width ${width}`;
    throw refuse(`a ${given} with ${size}`, 'give { data, height, width } with a Uint8Array');
  }
  const channels = data.length / (height * width);
  const fits = any || (height === side && width === side);
  if (channels === 3 && fits) return picture;
  throw refuse(
    `${data.length} bytes for ${height} x ${width}`,
    pictureHint(policy, 'uint8', [height, width, channels]),
  );
}

/** What a value is called where it is none of those that fit: its class, or its type. */
function kindOf(value: unknown): string {
  const object = typeof value === 'object' && value !== null;
  return object ? (value.constructor?.name ?? 'object') : typeof value;
}
