/**
 * A decoder of TensorBoard event files, written from the format's description and not from the
 * writer: bitwise CRC, DataView instead of Buffer, a generic protobuf walk. It throws on any
 * checksum that does not fit and on any field that it does not know.
 */
export interface DecodedEvent {
  wallTime: number;
  step: bigint;
  fileVersion?: string;
  sessionStart?: boolean;
  scalars: Map<string, number>;
}

export interface DecodedFile {
  events: DecodedEvent[];
  /** Bytes after the last whole record. */
  torn: number;
}

export function decodeEvents(file: Uint8Array): DecodedFile {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const events: DecodedEvent[] = [];
  let at = 0;
  while (at + 12 <= file.length) {
    const length = Number(view.getBigUint64(at, true));
    expectCrc(view.getUint32(at + 8, true), file.subarray(at, at + 8));
    if (at + 12 + length + 4 > file.length) break;
    const data = file.subarray(at + 12, at + 12 + length);
    expectCrc(view.getUint32(at + 12 + length, true), data);
    events.push(decodeEvent(data));
    at += 12 + length + 4;
  }
  return { events, torn: file.length - at };
}

function decodeEvent(data: Uint8Array): DecodedEvent {
  const event: DecodedEvent = { wallTime: 0, step: 0n, scalars: new Map() };
  for (const [number, value] of fields(data)) {
    if (number === 1) event.wallTime = asView(value).getFloat64(0, true);
    else if (number === 2) event.step = BigInt.asIntN(64, value as bigint);
    else if (number === 3) event.fileVersion = new TextDecoder().decode(value as Uint8Array);
    else if (number === 5) decodeSummary(value as Uint8Array, event.scalars);
    else if (number === 7) event.sessionStart = isStart(value as Uint8Array);
    else throw new Error(`unknown field ${number} in Event`);
  }
  return event;
}

function decodeSummary(data: Uint8Array, scalars: Map<string, number>): void {
  for (const [number, value] of fields(data)) {
    if (number !== 1) throw new Error(`unknown field ${number} in Summary`);
    const parts = new Map(fields(value as Uint8Array));
    if (parts.size !== 2) throw new Error('a Summary.Value has a tag and a simple_value');
    const tag = new TextDecoder().decode(parts.get(1) as Uint8Array);
    scalars.set(tag, asView(parts.get(2)).getFloat32(0, true));
  }
}

function isStart(data: Uint8Array): boolean {
  return fields(data).some(([number, value]) => number === 1 && value === 1n);
}

type Value = bigint | Uint8Array;

function fields(data: Uint8Array): [number, Value][] {
  const found: [number, Value][] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = data[at++];
      if (byte === undefined || shift > 63n) throw new Error('a varint that does not end');
      value += BigInt(byte % 128) << shift;
      if (byte < 128) return value;
    }
  };
  const take = (length: number): Uint8Array => {
    if (at + length > data.length) throw new Error('a field that runs over its message');
    at += length;
    return data.subarray(at - length, at);
  };
  while (at < data.length) {
    const key = Number(varint());
    const number = Math.floor(key / 8);
    const wire = key % 8;
    if (wire === 0) found.push([number, varint()]);
    else if (wire === 1) found.push([number, take(8)]);
    else if (wire === 2) found.push([number, take(Number(varint()))]);
    else if (wire === 5) found.push([number, take(4)]);
    else throw new Error(`unknown wire type ${wire}`);
  }
  return found;
}

function asView(value: Value | undefined): DataView {
  if (!(value instanceof Uint8Array)) throw new Error('a field of the wrong wire type');
  return new DataView(value.buffer, value.byteOffset, value.byteLength);
}

function expectCrc(stored: number, bytes: Uint8Array): void {
  let register = 0xffffffffn;
  for (const byte of bytes) {
    register ^= BigInt(byte);
    for (let bit = 0; bit < 8; bit++) {
      register = register % 2n === 1n ? (register >> 1n) ^ 0x82f63b78n : register >> 1n;
    }
  }
  const crc = register ^ 0xffffffffn;
  const masked = ((crc >> 15n) + ((crc % 2n ** 15n) << 17n) + 0xa282ead8n) % 2n ** 32n;
  if (BigInt(stored) !== masked) throw new Error(`checksum ${stored}, expected ${masked}`);
}
