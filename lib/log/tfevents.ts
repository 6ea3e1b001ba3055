import { readdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { makeFolder } from '../folder.js';
import { maskedCrc32c } from './crc32c.js';
import { AppendFile, opening } from './files.js';

/**
 * Writes TensorBoard event files. No package on npm does; the format is small:
 *
 *     file    = record*          the first holds file_version = "brain.Event:2"
 *     record  = u64 length, u32 masked CRC-32C of those 8 bytes, data,
 *               u32 masked CRC-32C of the data                            (all little-endian)
 *     data    = protobuf Event { 1: double wall_time, 2: int64 step, 3: string file_version,
 *                                5: Summary summary, 7: SessionLog session_log }
 *     Summary = { repeated 1: Value { 1: string tag, 2: float simple_value } }
 *     SessionLog = { 1: enum status, 1 = START }
 */
export class EventWriter {
  readonly #file: AppendFile;

  private constructor(file: AppendFile) {
    this.#file = file;
  }

  /**
   * Opens a new file in `folder`, which is made if it is missing.
   *
   * A resumed run never appends to the old file, whose last record may be torn: it opens a new
   * file beside it and passes `resumeStep`, the first step that it will write. The file then says
   * SessionLog START at that step, and TensorBoard drops what older files of the folder hold at
   * `resumeStep` and later (what torch's SummaryWriter calls `purge_step`). The old files stay as
   * they are.
   *
   * Readers take a folder's files in the order of their names, so the seconds in the name are
   * above those of every file there, even when the clock has gone back.
   *
   * @param options.now The wall clock in milliseconds since 1970.
   * @throws EnvironmentSetupError ERR_DSRL_LOG_UNWRITABLE
   */
  static open(
    folder: string,
    options: { resumeStep?: number | undefined; now?: (() => number) | undefined } = {},
  ): EventWriter {
    const wallTime = (options.now ?? Date.now)() / 1000;
    const seconds = opening(folder, () => {
      makeFolder(folder);
      return Math.max(Math.floor(wallTime), newestSeconds(folder) + 1);
    });
    const stamp = String(seconds).padStart(10, '0');
    const name = `events.out.tfevents.${stamp}.${hostname()}.${process.pid}`;
    const writer = new EventWriter(new AppendFile(join(folder, name), 'wx'));
    const head = [record(encodeEvent(wallTime, 0, textField(3, 'brain.Event:2')))];
    if (options.resumeStep !== undefined) {
      const sessionStart = bytesField(7, varintField(1, 1n));
      head.push(record(encodeEvent(wallTime, options.resumeStep, sessionStart)));
    }
    writer.#file.append(Buffer.concat(head));
    return writer;
  }

  /** Where the records go. */
  get path(): string {
    return this.#file.path;
  }

  /**
   * Appends one record that holds every tag, in one write: whatever happens to the process, at
   * most the file's last record is torn.
   *
   * @param step The global step, an integer (stored as int64).
   * @param wallTime Seconds since 1970, as a double.
   * @param tags Scalars by tag. They are stored as float32; NaN and infinities are kept.
   * @throws RuntimeFailure ERR_DSRL_LOG_WRITE
   */
  scalars(step: number, wallTime: number, tags: Readonly<Record<string, number>>): void {
    const values = Object.entries(tags).map(([tag, value]) =>
      bytesField(1, Buffer.concat([textField(1, tag), floatField(2, value)])),
    );
    if (values.length === 0) return;
    const summary = bytesField(5, Buffer.concat(values));
    this.#file.append(record(encodeEvent(wallTime, step, summary)));
  }

  /** Makes what has been written survive a power failure; a crash of the process needs none. */
  flush(): Promise<void> {
    return this.#file.flush();
  }

  /** Flushes and closes; a second call does nothing. */
  close(): void {
    this.#file.close();
  }
}

/** The largest seconds in the names of the folder's event files; -1 if there are none. */
function newestSeconds(folder: string): number {
  const seconds = readdirSync(folder).map((name) =>
    Number(/^events\.out\.tfevents\.(\d+)\./.exec(name)?.[1] ?? -1),
  );
  return Math.max(-1, ...seconds);
}

function record(data: Buffer): Buffer {
  const framed = Buffer.alloc(12 + data.length + 4);
  framed.writeBigUInt64LE(BigInt(data.length), 0);
  framed.writeUInt32LE(maskedCrc32c(framed.subarray(0, 8)), 8);
  data.copy(framed, 12);
  framed.writeUInt32LE(maskedCrc32c(data), 12 + data.length);
  return framed;
}

/** An Event whose payload is one further field. */
function encodeEvent(wallTime: number, step: number, payload: Buffer): Buffer {
  return Buffer.concat([doubleField(1, wallTime), varintField(2, BigInt(step)), payload]);
}

// Protobuf: a field is a varint of (number << 3 | wire type), then its value.
const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

function varint(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value); // two's complement, as int64 fields are stored
  while (rest >= 0x80n) {
    bytes.push(Number(rest & 0x7fn) | 0x80);
    rest >>= 7n;
  }
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}

function field(number: number, wireType: number, value: Buffer): Buffer {
  return Buffer.concat([varint(BigInt((number << 3) | wireType)), value]);
}

function varintField(number: number, value: bigint): Buffer {
  return field(number, VARINT, varint(value));
}

function doubleField(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return field(number, FIXED64, bytes);
}

function floatField(number: number, value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return field(number, FIXED32, bytes);
}

function bytesField(number: number, value: Buffer): Buffer {
  return field(number, BYTES, Buffer.concat([varint(BigInt(value.length)), value]));
}

function textField(number: number, text: string): Buffer {
  return bytesField(number, Buffer.from(text, 'utf8'));
}
