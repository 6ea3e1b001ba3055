import { readFileSync, writeFileSync } from 'node:fs';

export interface RawTensor {
  dtype: string;
  shape: number[];
  data: Buffer;
}

/** A plain reader and writer of safetensors, so that tests can spoil files one tensor at a time. */
export function readSafetensors(file: string): Map<string, RawTensor> {
  const bytes = readFileSync(file);
  const bodyAt = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, bodyAt)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const tensors = new Map<string, RawTensor>();
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    const [begin, end] = data_offsets;
    tensors.set(name, { dtype, shape, data: bytes.subarray(bodyAt + begin, bodyAt + end) });
  }
  return tensors;
}

export function writeSafetensors(file: string, tensors: Map<string, RawTensor>): void {
  const header: Record<string, object> = {};
  let offset = 0;
  for (const [name, { dtype, shape, data }] of tensors) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + data.length] };
    offset += data.length;
  }
  let text = JSON.stringify(header);
  text = text.padEnd(text.length + ((8 - (Buffer.byteLength(text) % 8)) % 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(text)));
  const body = [...tensors.values()].map(({ data }) => data);
  writeFileSync(file, Buffer.concat([length, Buffer.from(text), ...body]));
}
