import type { Packable } from './decode.js';
import { NdArray } from './ndarray.js';

const encoder = new TextEncoder();

/** Keys of an array's map are of type bin: with text keys openpi's client keeps a plain dict. */
const ARRAY_KEYS = ['__ndarray__', 'data', 'dtype', 'shape'].map((key) => encoder.encode(key));

/**
 * Writes one msgpack value as openpi's msgpack_numpy does: the shortest form of each integer, other
 * numbers as float64, text keys for maps, arrays of numpy as maps with binary keys.
 */
export function encode(value: Packable): Uint8Array {
  const pieces: Uint8Array[] = [];
  append(pieces, value);
  return Buffer.concat(pieces);
}

function append(pieces: Uint8Array[], value: Packable): void {
  if (value === null) pieces.push(Uint8Array.of(0xc0));
  else if (typeof value === 'boolean') pieces.push(Uint8Array.of(value ? 0xc3 : 0xc2));
  else if (typeof value === 'number') pieces.push(number(value));
  else if (typeof value === 'bigint') pieces.push(integer(value));
  else if (typeof value === 'string') appendText(pieces, value);
  else if (value instanceof Uint8Array) appendBytes(pieces, value);
  else if (value instanceof NdArray) appendArray(pieces, value);
  else if (isList(value)) {
    pieces.push(header(value.length, 0x90, 16, [0xdc, 0xdd]));
    for (const element of value) append(pieces, element);
  } else {
    const entries = Object.entries(value);
    pieces.push(header(entries.length, 0x80, 16, [0xde, 0xdf]));
    for (const [key, element] of entries) {
      appendText(pieces, key);
      append(pieces, element);
    }
  }
}

/** Array.isArray does not narrow readonly arrays. */
function isList(value: Packable): value is readonly Packable[] {
  return Array.isArray(value);
}

function appendArray(pieces: Uint8Array[], array: NdArray): void {
  const values = [true, array.bytes, array.dtype, array.shape];
  pieces.push(header(ARRAY_KEYS.length, 0x80, 16, [0xde, 0xdf]));
  ARRAY_KEYS.forEach((key, index) => {
    appendBytes(pieces, key);
    append(pieces, values[index] ?? null);
  });
}

function appendText(pieces: Uint8Array[], text: string): void {
  const bytes = encoder.encode(text);
  const { length } = bytes;
  if (length >= 32 && length < 0x100) pieces.push(Uint8Array.of(0xd9, length));
  else pieces.push(header(length, 0xa0, 32, [0xda, 0xdb]));
  pieces.push(bytes);
}

function appendBytes(pieces: Uint8Array[], bytes: Uint8Array): void {
  const { length } = bytes;
  pieces.push(length < 0x100 ? Uint8Array.of(0xc4, length) : header(length, 0, 0, [0xc5, 0xc6]));
  pieces.push(bytes);
}

/** The head of a value of `length` parts: in its first byte below `limit`, else 16 or 32 bits. */
function header(
  length: number,
  fixed: number,
  limit: number,
  [tag16, tag32]: readonly [number, number],
): Uint8Array {
  if (length < limit) return Uint8Array.of(fixed | length);
  if (length < 0x10000) return Uint8Array.of(tag16, length >> 8, length & 0xff);
  const bytes = new Uint8Array(5);
  bytes[0] = tag32;
  new DataView(bytes.buffer).setUint32(1, length);
  return bytes;
}

function number(value: number): Uint8Array {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) return integer(BigInt(value));
  return tagged(0xcb, 8, (view) => view.setFloat64(1, value));
}

function integer(value: bigint): Uint8Array {
  const small = Number(value);
  if (value >= 0n) {
    if (value < 0x80n) return Uint8Array.of(small);
    if (value < 0x100n) return Uint8Array.of(0xcc, small);
    if (value < 0x10000n) return tagged(0xcd, 2, (view) => view.setUint16(1, small));
    if (value < 0x100000000n) return tagged(0xce, 4, (view) => view.setUint32(1, small));
    if (value < 1n << 64n) return tagged(0xcf, 8, (view) => view.setBigUint64(1, value));
  } else {
    if (value >= -0x20n) return Uint8Array.of(small & 0xff);
    if (value >= -0x80n) return Uint8Array.of(0xd0, small & 0xff);
    if (value >= -0x8000n) return tagged(0xd1, 2, (view) => view.setInt16(1, small));
    if (value >= -0x80000000n) return tagged(0xd2, 4, (view) => view.setInt32(1, small));
    if (value >= -(1n << 63n)) return tagged(0xd3, 8, (view) => view.setBigInt64(1, value));
  }
  throw new RangeError(`${value} does not fit in 64 bits`);
}

function tagged(tag: number, size: number, write: (view: DataView) => void): Uint8Array {
  const bytes = new Uint8Array(1 + size);
  bytes[0] = tag;
  write(new DataView(bytes.buffer));
  return bytes;
}
