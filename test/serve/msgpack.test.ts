import { expect, test } from 'vitest';
import { decode, encode, NdArray, ProtocolError } from '../../lib/serve/index.js';
import { runOpenpi } from './support/openpi.js';
import { Random, randomValue } from './support/values.js';

interface Vector {
  name: string;
  hex: string;
  data: unknown;
  shape?: number[];
  dtype?: string;
}

const vectors = (await runOpenpi('vectors.py')) as Vector[];

function code(message: Uint8Array): string {
  try {
    decode(message);
  } catch (error) {
    expect(error).toBeInstanceOf(ProtocolError);
    return (error as ProtocolError).code;
  }
  return 'no error';
}

test.each(vectors)("$name is read as openpi's msgpack_numpy wrote it", (vector) => {
  const value = decode(Buffer.from(vector.hex, 'hex'));
  if (vector.dtype === undefined) {
    expect(value).toEqual(vector.data);
    return;
  }
  const { x } = value as { x: NdArray };
  expect(x.shape).toEqual(vector.shape);
  expect(x.dtype).toBe(vector.dtype);
  const numbers = x.dtype === '<f8' ? x.data : x.toFloat32();
  expect(Array.from(numbers as ArrayLike<number>)).toEqual(vector.data);
});

// openpi's packer keeps a numpy array's own byte order, and a numpy scalar's or text's type.
const numpys = ['big endian', 'numpy scalar', 'numpy text', 'numpy text, big endian'];
const ownForm = vectors.filter(({ name }) => !numpys.includes(name));

test.each(ownForm)('$name is written byte for byte as openpi writes it', (vector) => {
  const value = decode(Buffer.from(vector.hex, 'hex'));
  expect(Buffer.from(encode(value)).toString('hex')).toBe(vector.hex);
});

test('what is written is read back, whatever it is', () => {
  const random = new Random(7);
  for (let round = 0; round < 3_000; round++) {
    const value = randomValue(random, 0);
    expect(decode(encode(value))).toEqual(value);
  }
});

test('arrays whose bytes are not aligned are copied, others are views', () => {
  const message = encode({ x: new NdArray(Float64Array.of(1, 2, 3), [3]) });
  const views = Array.from({ length: 8 }, (_, offset) => {
    const shifted = new Uint8Array(message.length + 8).subarray(offset, offset + message.length);
    shifted.set(message);
    const { x } = decode(shifted) as { x: NdArray };
    expect(x.data).toEqual(Float64Array.of(1, 2, 3));
    return x.data.buffer === shifted.buffer;
  });
  expect(views.filter((isView) => isView)).toHaveLength(1);
});

test('a key `__proto__` is a key like any other', () => {
  const value = decode(encode(JSON.parse('{"__proto__": {"polluted": 1}}')));
  expect(Object.hasOwn(value as object, '__proto__')).toBe(true);
  expect(({} as { polluted?: number }).polluted).toBeUndefined();
});

test('every prefix of a message is refused', () => {
  const message = encode({ state: new NdArray(Float32Array.of(1, 2), [2]), prompt: 'tidy' });
  for (let length = 0; length < message.length; length++) {
    expect(code(message.subarray(0, length))).toMatch(/^ERR_DSRL_WIRE_(TRUNCATED|ARRAY)$/);
  }
  expect(code(Buffer.concat([message, Uint8Array.of(0)]))).toBe('ERR_DSRL_WIRE_MALFORMED');
});

/** A map with the binary keys of an array. */
function arrayMessage(data: number, dtype: string, shape: number[]): Uint8Array {
  const honest = encode(new NdArray(new Uint8Array(data), [data]));
  const tail = Buffer.from(encode('|u1'));
  const at = Buffer.from(honest).indexOf(tail);
  const key = honest.subarray(at + tail.length, at + tail.length + 7);
  return Buffer.concat([honest.subarray(0, at), encode(dtype), key, encode(shape)]);
}

test.each([
  ['lengths that lie: a list of 2^32 - 1', 'ddffffffff', 'TRUNCATED'],
  ['lengths that lie: bytes of 2^32 - 1', 'c6ffffffff00', 'TRUNCATED'],
  ['lengths that lie: a map of 2^31', 'df80000000', 'TRUNCATED'],
  ['an extension', 'd40000', 'MALFORMED'],
  ['the byte that is never used', 'c1', 'MALFORMED'],
  ['a key that is a number', '810102', 'MALFORMED'],
  ['a text that is not UTF-8', 'a1ff', 'MALFORMED'],
  ['a million empty maps', `dd000f4240${'80'.repeat(1_000_000)}`, 'COUNT'],
  ['lists in lists', `${'91'.repeat(5_000)}c0`, 'DEPTH'],
])('%s is refused', (_, hex, expected) => {
  expect(code(Buffer.from(hex, 'hex'))).toBe(`ERR_DSRL_WIRE_${expected}`);
});

test.each([
  ['of a text that is cut off', arrayMessage(12, '<U4', [])],
  ['of objects', arrayMessage(8, '|O', [1])],
  ['of complex numbers', arrayMessage(8, '<c8', [1])],
  ['without a byte order', arrayMessage(8, 'f4', [2])],
  ['with a dtype that every object has', arrayMessage(8, '<constructor', [2])],
  ['with a shape that is too large', arrayMessage(8, '<f4', [3])],
  ['with a shape that is too small', arrayMessage(8, '<f4', [1])],
  ['with a negative length', arrayMessage(4, '<f4', [-1])],
  ['with lengths whose product overflows', arrayMessage(0, '<f4', [2 ** 40, 2 ** 40, 0.5])],
  ['of 33 dimensions', arrayMessage(1, '|u1', Array<number>(33).fill(1))],
])('an array %s is refused', (_, message) => {
  expect(code(message)).toBe('ERR_DSRL_WIRE_ARRAY');
});

test('a text of numpy with a character that is none is refused', () => {
  const message = Buffer.from(arrayMessage(4, '<U1', []));
  expect(code(message)).toBe('no error');
  const data = message.indexOf(Buffer.alloc(4));
  expect(code(message.fill(0xff, data, data + 4))).toBe('ERR_DSRL_WIRE_ARRAY');
});

test('a text of numpy that is a book is refused', () => {
  expect(code(arrayMessage(80_000, '<U20000', []))).toBe('ERR_DSRL_WIRE_LENGTH');
});

test.each([
  ['>f2', 0x3c00, 1],
  ['>f4', 0x3f800000, 1],
  ['>i8', 7, 7],
])('a large array of %s turns as many numbers into float32', (dtype, bits, expected) => {
  const size = Number(dtype.at(-1));
  const element = Buffer.alloc(size);
  element.writeUIntBE(bits, Math.max(0, size - 6), Math.min(size, 6));
  const array = NdArray.decode(Buffer.alloc(size * 100_000, element), dtype, [100_000]);
  expect(new Set(array.toFloat32())).toEqual(new Set([expected]));
});

test('an honest array message is read (the helper of the cases above can succeed)', () => {
  expect(code(arrayMessage(8, '<f4', [2, 1]))).toBe('no error');
});

/** More in `.ci/full`, which sets it. */
const FUZZ_INPUTS = Number(process.env.DSRL_FUZZ_INPUTS ?? 100_000);

const MINUTES = { timeout: 120_000 + FUZZ_INPUTS };

test('damaged messages are read or refused, and nothing else happens', MINUTES, () => {
  const random = new Random(1);
  const seeds = Array.from({ length: 200 }, () => encode(randomValue(random, 0)));
  let refused = 0;
  for (let round = 0; round < FUZZ_INPUTS; round++) {
    const message = random.damage(seeds[round % seeds.length] as Uint8Array);
    try {
      decode(message);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      refused += 1;
    }
  }
  expect(refused).toBeGreaterThan(FUZZ_INPUTS / 4);
  expect(refused).toBeLessThan(FUZZ_INPUTS);
});
