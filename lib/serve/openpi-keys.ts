import type { Packable } from './decode.js';
import { LONGEST_TEXT, NdArray, tooLong } from './ndarray.js';
import { ProtocolError } from './protocol-error.js';

/** Where a request holds what a policy needs; `a/b` is the key `a/b`, or b inside a. */
export interface ObservationKeys {
  /** Camera of the policy -> key of its picture. */
  images: Readonly<Record<string, string>>;
  /** The state's key; or the keys of its parts in their order, with their lengths. */
  state: string | Readonly<Record<string, number>>;
  prompt: string;
}

/** openpi's for LIBERO, of the cameras that a policy has. */
export function liberoKeys(cameras: readonly string[]): ObservationKeys {
  const usual: Record<string, string> = {
    main: 'observation/image',
    wrist: 'observation/wrist_image',
  };
  const images = cameras.map((camera) => [camera, usual[camera] ?? `observation/${camera}`]);
  return { images: Object.fromEntries(images), state: 'observation/state', prompt: 'prompt' };
}

/** What a server says of its keys in its metadata; null: it says nothing, as openpi's own. */
export function keysOf(metadata: Packable): ObservationKeys | null {
  const keys = isMap(metadata) && metadata.keys !== undefined ? metadata.keys : null;
  if (!isMap(keys)) return null;
  const { images, state, prompt } = keys;
  const isText = (value: unknown) => typeof value === 'string';
  const isNumber = (value: unknown) => typeof value === 'number';
  if (!isMap(images ?? null) || !Object.values(images ?? {}).every(isText)) return null;
  const isParts = isMap(state ?? null) && Object.values(state ?? {}).every(isNumber);
  if (!isText(prompt) || !(isText(state) || isParts)) return null;
  return keys as unknown as ObservationKeys;
}

export interface ReadObservation {
  images: Record<string, { data: Uint8Array; height: number; width: number }>;
  state: Float32Array;
  prompt: string;
}

/**
 * Reads one request. What a policy does not take is ignored.
 *
 * Pictures are uint8 [H, W, 3], or what openpi's own policies take too: [3, H, W], and floats in
 * [0, 1].
 *
 * @throws ProtocolError ERR_DSRL_WIRE_KEYS that names the keys, ERR_DSRL_WIRE_OBSERVATION
 */
export function readObservation(request: Packable, keys: ObservationKeys): ReadObservation {
  const images: ReadObservation['images'] = {};
  for (const [camera, key] of Object.entries(keys.images)) {
    images[camera] = pictureOf(key, arrayAt(request, key, keys));
  }
  const prompt = find(request, keys.prompt);
  if (prompt === undefined) throw missing(request, keys.prompt, keys);
  if (typeof prompt !== 'string') {
    throw wrong(keys.prompt, `is ${describe(prompt)}`, 'send the instruction as a text');
  }
  if (prompt.length > LONGEST_TEXT) throw tooLong(prompt.length);
  return { images, state: stateOf(request, keys), prompt };
}

function stateOf(request: Packable, keys: ObservationKeys): Float32Array {
  if (typeof keys.state === 'string') return arrayAt(request, keys.state, keys).toFloat32();
  const parts = Object.entries(keys.state).map(([key, length]) => {
    const part = arrayAt(request, key, keys).toFloat32();
    if (part.length === length) return part;
    throw wrong(key, `has ${part.length} numbers`, `send ${length}`);
  });
  return Float32Array.from(parts.flatMap((part) => [...part]));
}

/** The state as the entries of a request. */
export function stateEntries(state: Float32Array, keys: ObservationKeys): [string, NdArray][] {
  if (typeof keys.state === 'string') return [[keys.state, new NdArray(state, [state.length])]];
  let start = 0;
  return Object.entries(keys.state).map(([key, length]) => {
    const part = state.slice(start, start + length);
    start += length;
    return [key, new NdArray(part, [part.length])];
  });
}

function find(request: Packable, key: string): Packable | undefined {
  if (!isMap(request)) return undefined;
  if (Object.hasOwn(request, key)) return request[key];
  const slash = key.indexOf('/');
  if (slash < 0) return undefined;
  const outer = key.slice(0, slash);
  if (!Object.hasOwn(request, outer)) return undefined;
  return find(request[outer] ?? null, key.slice(slash + 1));
}

function isMap(value: Packable): value is { readonly [key: string]: Packable } {
  const plain = typeof value === 'object' && value !== null && !Array.isArray(value);
  return plain && !(value instanceof Uint8Array) && !(value instanceof NdArray);
}

function arrayAt(request: Packable, key: string, keys: ObservationKeys): NdArray {
  const value = find(request, key);
  if (value === undefined) throw missing(request, key, keys);
  if (value instanceof NdArray) return value;
  const numbers = Array.isArray(value) ? value : [value];
  if (numbers.every((entry) => typeof entry === 'number')) {
    return new NdArray(Float32Array.from(numbers as number[]), [numbers.length]);
  }
  throw wrong(key, `is ${describe(value)}`, 'send an array of numpy');
}

function pictureOf(key: string, array: NdArray): ReadObservation['images'][string] {
  const [first = 0, second = 0, third = 0] = array.shape;
  const last = array.shape.length === 3 && third === 3;
  const channelsFirst = array.shape.length === 3 && first === 3 && !last;
  const isFloat = /f[248]$/.test(array.dtype);
  if (!(last || channelsFirst) || !(array.dtype === '|u1' || isFloat)) {
    const found = `is ${array.dtype} [${array.shape.join(', ')}]`;
    throw wrong(key, found, 'send uint8 [height, width, 3], RGB');
  }
  const bytes = isFloat ? bytesOf(array.toFloat32()) : (array.data as Uint8Array);
  if (last) return { data: bytes, height: first, width: second };
  return { data: channelsLast(bytes, second * third), height: second, width: third };
}

/** Brightness in [0, 1] -> bytes. */
function bytesOf(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(values.length);
  for (let index = 0; index < bytes.length; index++) {
    bytes[index] = 255 * Math.min(1, Math.max(0, values[index] as number));
  }
  return bytes;
}

/** [3, pixels] -> [pixels, 3] */
function channelsLast(bytes: Uint8Array, pixels: number): Uint8Array {
  const turned = new Uint8Array(bytes.length);
  for (let pixel = 0; pixel < pixels; pixel++) {
    for (let channel = 0; channel < 3; channel++) {
      turned[3 * pixel + channel] = bytes[channel * pixels + pixel] as number;
    }
  }
  return turned;
}

function missing(request: Packable, key: string, keys: ObservationKeys): ProtocolError {
  const found = isMap(request) ? listed(Object.keys(request)) : describe(request);
  const state = typeof keys.state === 'string' ? [keys.state] : Object.keys(keys.state);
  const all = [...Object.values(keys.images), ...state, keys.prompt];
  return new ProtocolError(
    'ERR_DSRL_WIRE_KEYS',
    `the observation has no \`${key}\`; it has ${found || 'nothing'}`,
    { hint: `send ${all.join(', ')}` },
  );
}

/** A request of 64 MiB of keys must not be answered by as many. */
function listed(keys: readonly string[]): string {
  const first = keys.slice(0, 20).map((key) => key.slice(0, 80));
  return keys.length > first.length ? `${first.join(', ')}, ...` : first.join(', ');
}

function wrong(key: string, found: string, hint: string): ProtocolError {
  return new ProtocolError('ERR_DSRL_WIRE_OBSERVATION', `\`${key}\` ${found}`, { hint });
}

function describe(value: Packable): string {
  if (value === null) return 'null';
  if (value instanceof Uint8Array) return 'bytes';
  if (value instanceof NdArray) return `an array [${value.shape.join(', ')}]`;
  if (isMap(value)) return 'a map, no array of numbers';
  return Array.isArray(value) ? 'a list' : `a ${typeof value}`;
}
