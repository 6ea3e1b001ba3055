import { endianness } from 'node:os';
import { ProtocolError } from './protocol-error.js';

/** What holds the elements of an array of numpy. */
export type NumericArray =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

interface ArrayType {
  readonly BYTES_PER_ELEMENT: number;
  new (buffer: ArrayBufferLike, byteOffset: number, length: number): NumericArray;
}

/** numpy's `dtype.str` without its byte order -> what holds its elements here. */
const TYPES: Readonly<Record<string, ArrayType>> = {
  b1: Uint8Array, // numpy's bool: 0 or 1
  i1: Int8Array,
  u1: Uint8Array,
  i2: Int16Array,
  u2: Uint16Array,
  i4: Int32Array,
  u4: Uint32Array,
  i8: BigInt64Array,
  u8: BigUint64Array,
  f2: Uint16Array, // the bits; `float16` makes numbers of them
  f4: Float32Array,
  f8: Float64Array,
};

/** The dtype that an array of JavaScript has unless it is said (a bool array is a Uint8Array). */
const DTYPE_OF: Readonly<Record<string, string>> = {
  Int8Array: '|i1',
  Uint8Array: '|u1',
  Int16Array: '<i2',
  Uint16Array: '<u2',
  Int32Array: '<i4',
  Uint32Array: '<u4',
  BigInt64Array: '<i8',
  BigUint64Array: '<u8',
  Float32Array: '<f4',
  Float64Array: '<f8',
};

const LITTLE_ENDIAN = endianness() === 'LE';

/** An array of numpy: C-contiguous elements of one type. */
export class NdArray {
  constructor(
    /** `prod(shape)` elements; of a float16 array its bits. */
    readonly data: NumericArray,
    readonly shape: readonly number[],
    /** numpy's `dtype.str`, for instance `<f4` or `|u1`. */
    readonly dtype: string = DTYPE_OF[data.constructor.name] ?? '|u1',
  ) {
    const elements = shape.reduce((product, length) => product * length, 1);
    if (elements === data.length) return;
    throw new RangeError(`the shape [${shape.join(', ')}] has not ${data.length} elements`);
  }

  /**
   * Makes an array of what stands in a message. Its elements are a view of `bytes` where they lie
   * at a multiple of their size, else a copy: typed arrays know no other place.
   *
   * @throws ProtocolError ERR_DSRL_WIRE_ARRAY
   */
  static decode(bytes: Uint8Array, dtype: unknown, shape: unknown): NdArray {
    const dimensions = shapeOf(shape);
    const name = typeof dtype === 'string' ? dtype : '';
    const order = name.charAt(0);
    const type = Object.hasOwn(TYPES, name.slice(1)) ? TYPES[name.slice(1)] : undefined;
    if (type === undefined || !'<>|='.includes(order) || order === '') {
      throw new ProtocolError('ERR_DSRL_WIRE_ARRAY', `an array has the dtype ${quote(dtype)}`, {
        hint: `send one of ${Object.keys(TYPES).join(', ')}`,
      });
    }
    const size = type.BYTES_PER_ELEMENT;
    const elements = dimensions.reduce((product, length) => product * length, 1);
    if (!Number.isSafeInteger(elements) || elements * size !== bytes.length) {
      throw new ProtocolError(
        'ERR_DSRL_WIRE_ARRAY',
        `an array of shape [${dimensions.join(', ')}] and dtype ${name} has ${bytes.length} bytes`,
        { hint: 'send C-contiguous data: numpy.ascontiguousarray(x).tobytes()' },
      );
    }
    const swapped = size > 1 && (order === '>') === LITTLE_ENDIAN && order !== '=';
    const aligned = bytes.byteOffset % size === 0;
    const own = swapped || !aligned ? new Uint8Array(bytes) : bytes;
    if (swapped) reverseElements(own, size);
    const data = new type(own.buffer, own.byteOffset, elements);
    return new NdArray(data, dimensions, `${size > 1 ? '<' : '|'}${name.slice(1)}`);
  }

  /** The elements' bytes as they go on the wire. */
  get bytes(): Uint8Array {
    const { data } = this;
    return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  }

  /** The elements as float32, whatever numeric type they have. */
  toFloat32(): Float32Array {
    const { data, dtype } = this;
    if (data instanceof Float32Array) return data;
    const isHalf = dtype.endsWith('f2');
    // Float32Array.from(data, ...) holds the event loop a hundred times as long.
    if (!isHalf && !isBig(data)) return new Float32Array(data);
    const values = new Float32Array(data.length);
    for (let index = 0; index < values.length; index++) {
      const value = Number(data[index]);
      values[index] = isHalf ? float16(value) : value;
    }
    return values;
  }
}

/** Characters of a text that a policy is asked to read: the longest prompts have hundreds. */
export const LONGEST_TEXT = 10_000;

/**
 * Prompts are turned into tokens on the event loop, and kept: a longer one would hold the others.
 */
export function tooLong(characters: number): ProtocolError {
  return new ProtocolError('ERR_DSRL_WIRE_LENGTH', `a text has ${characters} characters`, {
    hint: `send at most ${LONGEST_TEXT}`,
  });
}

/**
 * The one text of an array of numpy (`<U7`: four bytes a character, zeros behind the last):
 * openpi's policies take the prompt so, too. Null for arrays of numbers and for several texts.
 *
 * @throws ProtocolError ERR_DSRL_WIRE_ARRAY
 */
export function textOfNumpy(bytes: Uint8Array, dtype: unknown, shape: unknown): string | null {
  const [, order, digits] = (typeof dtype === 'string' && /^([<>])U(\d{1,9})$/.exec(dtype)) || [];
  if (order === undefined || shapeOf(shape).some((length) => length !== 1)) return null;
  if (bytes.length > 4 * LONGEST_TEXT) throw tooLong(bytes.length >> 2);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const points = Array.from({ length: bytes.length >> 2 }, (_, index) =>
    view.getUint32(4 * index, order === '<'),
  );
  if (bytes.length === 4 * Number(digits) && points.every((point) => point <= 0x10ffff)) {
    const end = points.findLastIndex((point) => point !== 0) + 1;
    return points
      .slice(0, end)
      .map((point) => String.fromCodePoint(point))
      .join('');
  }
  throw new ProtocolError('ERR_DSRL_WIRE_ARRAY', `this is no text of the dtype ${quote(dtype)}`, {
    hint: 'send the text itself',
  });
}

/**
 * Arrays of texts, byte strings, times and extended floats, which openpi's clients send as well.
 */
export function isNoNumber(dtype: unknown): boolean {
  return typeof dtype === 'string' && /^[<>|]([US]\d{1,9}|[mM]8(\[\w{1,9}\])?|f16)$/.test(dtype);
}

function shapeOf(shape: unknown): number[] {
  const dimensions = Array.isArray(shape) && shape.length <= 32 ? shape : null;
  if (dimensions?.every((length) => Number.isSafeInteger(length) && length >= 0)) return dimensions;
  throw new ProtocolError('ERR_DSRL_WIRE_ARRAY', `an array has the shape ${quote(shape)}`, {
    hint: 'send a list of at most 32 lengths',
  });
}

/** Natively: element by element a message of 64 MiB would hold all clients for ten seconds. */
function reverseElements(bytes: Uint8Array, size: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (size === 2) buffer.swap16();
  else if (size === 4) buffer.swap32();
  else buffer.swap64();
}

function isBig(data: NumericArray): data is BigInt64Array | BigUint64Array {
  return data instanceof BigInt64Array || data instanceof BigUint64Array;
}

/** IEEE 754 binary16 -> number. */
function float16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function quote(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40));
  if (Array.isArray(value)) return `[${value.slice(0, 8).map(String).join(', ')}]`;
  return value === undefined ? 'missing' : typeof value;
}
