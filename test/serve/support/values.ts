import { NdArray, type Packable } from '../../../lib/serve/index.js';

/** A small generator of its own, so that a failure comes again (mulberry32). */
export class Random {
  constructor(private state: number) {}

  next(): number {
    this.state = (this.state + 0x6d2b79f5) | 0;
    let bits = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 2 ** 32;
  }

  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256));
  }

  /** A message with bytes changed, cut off, doubled or put in. */
  damage(message: Uint8Array): Uint8Array {
    const pieces = Uint8Array.from(message);
    switch (this.below(4)) {
      case 0:
        for (let count = this.below(4); count >= 0 && pieces.length > 0; count--) {
          pieces[this.below(pieces.length)] = this.below(256);
        }
        return pieces;
      case 1:
        return pieces.subarray(0, this.below(pieces.length + 1));
      case 2:
        return Buffer.concat([pieces, pieces.subarray(this.below(pieces.length))]);
      default: {
        const at = this.below(pieces.length);
        const middle = this.bytes(1 + this.below(6));
        return Buffer.concat([pieces.subarray(0, at), middle, pieces.subarray(at)]);
      }
    }
  }
}

export function randomValue(random: Random, depth: number): Packable {
  const kind = random.below(depth > 3 ? 7 : 9);
  switch (kind) {
    case 0:
      return null;
    case 1:
      return random.next() < 0.5;
    case 2:
      return Math.floor((random.next() - 0.5) * 2 ** random.below(53));
    case 3:
      return (random.next() - 0.5) * 10 ** random.below(20);
    case 4:
      return (BigInt(random.below(2 ** 31)) << 32n) | (1n << 62n);
    case 5:
      return String.fromCodePoint(
        ...Array.from(random.bytes(random.below(300)), (b) => 32 + 40 * b),
      );
    case 6:
      return randomArray(random);
    case 7:
      return Array.from({ length: random.below(20) }, () => randomValue(random, depth + 1));
    default:
      return Object.fromEntries(
        Array.from({ length: random.below(20) }, (_, index) => {
          return [`key ${index}`, randomValue(random, depth + 1)];
        }),
      );
  }
}

function randomArray(random: Random): NdArray {
  const shape = Array.from({ length: random.below(4) }, () => random.below(5));
  const length = shape.reduce((product, side) => product * side, 1);
  const numbers = Array.from({ length }, () => random.below(100));
  const types = [Uint8Array, Int16Array, Int32Array, Float32Array, Float64Array];
  const Type = types[random.below(types.length)] as typeof Float32Array;
  return new NdArray(Type.from(numbers), shape);
}
