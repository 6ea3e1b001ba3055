import { isNoNumber, NdArray, textOfNumpy } from './ndarray.js';
import { ProtocolError } from './protocol-error.js';

/** What a message can hold. */
export type Packable =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | NdArray
  | readonly Packable[]
  | { readonly [key: string]: Packable };

/** Deeper nesting is refused: an observation needs two levels, a stack overflow needs thousands. */
const DEEPEST = 16;

/** More values are refused: an empty map takes one byte in a message, and fifty in memory. */
const MOST_VALUES = 100_000;

/** How an array of numpy announces itself: keys of type bin, as openpi's msgpack_numpy packs. */
const ARRAY = '__ndarray__';
const SCALAR = '__npgeneric__';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads one msgpack value, arrays of numpy included (openpi's msgpack_numpy: maps with binary
 * keys).
 *
 * Arrays and byte strings are views of `message` where their alignment allows it: do not write to
 * it while they are in use. Lengths are checked against what is left of the message before anything
 * is allocated.
 *
 * @throws ProtocolError ERR_DSRL_WIRE_{TRUNCATED, MALFORMED, DEPTH, COUNT, ARRAY, LENGTH}
 */
export function decode(message: Uint8Array): Packable {
  const reader = new Reader(message);
  const value = reader.value(0);
  if (reader.left === 0) return value;
  throw malformed(`${reader.left} bytes behind the value`);
}

class Reader {
  private at = 0;
  private values = 0;
  private readonly view: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.bytes.length - this.at;
  }

  value(depth: number): Packable {
    if (depth > DEEPEST) {
      throw new ProtocolError('ERR_DSRL_WIRE_DEPTH', `more than ${DEEPEST} levels of nesting`, {
        hint: 'send a flat map of arrays',
      });
    }
    this.values += 1;
    if (this.values > MOST_VALUES) {
      throw new ProtocolError('ERR_DSRL_WIRE_COUNT', `more than ${MOST_VALUES} values`, {
        hint: 'send pictures and long lists of numbers as arrays of numpy',
      });
    }
    const first = this.unsigned(1);
    if (first < 0x80) return first;
    if (first < 0x90) return this.map(first & 0x0f, depth);
    if (first < 0xa0) return this.array(first & 0x0f, depth);
    if (first < 0xc0) return this.string(first & 0x1f);
    if (first >= 0xe0) return first - 0x100;
    return this.tagged(first, depth);
  }

  /** The formats whose first byte is a tag and nothing else. */
  private tagged(tag: number, depth: number): Packable {
    switch (tag) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
        return this.take(this.unsigned(1));
      case 0xc5:
        return this.take(this.unsigned(2));
      case 0xc6:
        return this.take(this.unsigned(4));
      case 0xca:
        return this.view.getFloat32(this.advance(4));
      case 0xcb:
        return this.view.getFloat64(this.advance(8));
      case 0xcc:
        return this.unsigned(1);
      case 0xcd:
        return this.unsigned(2);
      case 0xce:
        return this.unsigned(4);
      case 0xcf:
        return narrow(this.view.getBigUint64(this.advance(8)));
      case 0xd0:
        return this.view.getInt8(this.advance(1));
      case 0xd1:
        return this.view.getInt16(this.advance(2));
      case 0xd2:
        return this.view.getInt32(this.advance(4));
      case 0xd3:
        return narrow(this.view.getBigInt64(this.advance(8)));
      case 0xd9:
        return this.string(this.unsigned(1));
      case 0xda:
        return this.string(this.unsigned(2));
      case 0xdb:
        return this.string(this.unsigned(4));
      case 0xdc:
        return this.array(this.unsigned(2), depth);
      case 0xdd:
        return this.array(this.unsigned(4), depth);
      case 0xde:
        return this.map(this.unsigned(2), depth);
      case 0xdf:
        return this.map(this.unsigned(4), depth);
      default: // 0xc1 is never used; 0xc7-0xc9 and 0xd4-0xd8 are extensions, which openpi has not
        throw malformed(`the byte 0x${tag.toString(16)} begins no value of this protocol`);
    }
  }

  private array(count: number, depth: number): Packable[] {
    this.expectAtLeast(count);
    const values: Packable[] = [];
    for (let index = 0; index < count; index++) values.push(this.value(depth + 1));
    return values;
  }

  private map(count: number, depth: number): Packable {
    this.expectAtLeast(2 * count);
    const entries: [string, Packable][] = [];
    let binaryKeys = 0;
    for (let index = 0; index < count; index++) {
      const key = this.value(depth + 1);
      if (key instanceof Uint8Array) binaryKeys += 1;
      const name = key instanceof Uint8Array ? text(key) : key;
      if (typeof name !== 'string') throw malformed(`a key of a map is a ${typeof name}`);
      entries.push([name, this.value(depth + 1)]);
    }
    // fromEntries defines properties: a key `__proto__` is a key like any other.
    const map: Record<string, Packable> = Object.fromEntries(entries);
    return binaryKeys > 0 && binaryKeys === count ? ofNumpy(map) : map;
  }

  private string(length: number): string {
    return text(this.take(length));
  }

  private take(length: number): Uint8Array {
    const start = this.advance(length);
    return this.bytes.subarray(start, start + length);
  }

  private unsigned(size: 1 | 2 | 4): number {
    const start = this.advance(size);
    if (size === 1) return this.view.getUint8(start);
    return size === 2 ? this.view.getUint16(start) : this.view.getUint32(start);
  }

  /** Every element takes a byte or more: a count beyond what is left is a lie. */
  private expectAtLeast(count: number): void {
    if (count > this.left) throw truncated(count, this.left);
  }

  private advance(length: number): number {
    if (length > this.left) throw truncated(length, this.left);
    const start = this.at;
    this.at += length;
    return start;
  }
}

/**
 * A map with binary keys is an array or a scalar of numpy, or keeps its keys as text. So does an
 * array of what a policy cannot take, times for instance: a robot may send it beside what it can.
 */
function ofNumpy(map: Record<string, Packable>): Packable {
  const own = (key: string) => (Object.hasOwn(map, key) ? map[key] : undefined);
  if (own(ARRAY) === true) {
    const data = own('data');
    if (!(data instanceof Uint8Array)) throw malformed('the data of an array are no bytes');
    const [dtype, shape] = [own('dtype'), own('shape')];
    const text = textOfNumpy(data, dtype, shape);
    if (text !== null) return text;
    return isNoNumber(dtype) ? map : NdArray.decode(data, dtype, shape);
  }
  if (own(SCALAR) === true) return own('data') ?? null;
  return map;
}

/** Integers that a number holds exactly become one. */
function narrow(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function text(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (cause) {
    throw new ProtocolError('ERR_DSRL_WIRE_MALFORMED', 'a text is not UTF-8', {
      hint: 'send msgpack with use_bin_type=True',
      cause,
    });
  }
}

function malformed(what: string): ProtocolError {
  return new ProtocolError('ERR_DSRL_WIRE_MALFORMED', `this is no message: ${what}`, {
    hint: 'send one msgpack value a frame, as openpi_client.msgpack_numpy.packb does',
  });
}

function truncated(needed: number, left: number): ProtocolError {
  return new ProtocolError(
    'ERR_DSRL_WIRE_TRUNCATED',
    `the message ends early: ${needed} bytes are announced, ${left} are left`,
    { hint: 'send one whole msgpack value a frame' },
  );
}
