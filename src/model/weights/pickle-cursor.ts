import { PickleFault } from './pickle-values.js';

/** Longest integer, in bytes: random generators' states hold some of eight; no state dict holds more. */
const MAX_INTEGER_BYTES = 256;
const MAX_LINE_BYTES = 1024;

/** Reads a pickle's arguments in order, within its bounds. */
export class PickleCursor {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get position(): number {
    return this.#position;
  }

  uint8(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }

  uint16(): number {
    return this.#bytes.readUInt16LE(this.#take(2));
  }

  uint32(): number {
    return this.#bytes.readUInt32LE(this.#take(4));
  }

  int32(): number {
    return this.#bytes.readInt32LE(this.#take(4));
  }

  /** A length; one beyond 2⁵³ is rounded, and refused as out of bounds wherever it is used. */
  uint64(): number {
    return Number(this.#bytes.readBigUInt64LE(this.#take(8)));
  }

  float64(): number {
    return this.#bytes.readDoubleBE(this.#take(8));
  }

  /** A little-endian two's complement integer. */
  integer(length: number): number | bigint {
    if (length > MAX_INTEGER_BYTES) throw new PickleFault(`holds an integer of ${length} bytes`);
    const bytes = this.bytes(length);
    if (bytes.length === 0) return 0;
    const value = BigInt.asIntN(8 * bytes.length, BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`));
    return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : value;
  }

  text(length: number): string {
    const start = this.#take(length);
    return this.#bytes.toString('utf8', start, start + length);
  }

  bytes(length: number): Buffer {
    const start = this.#take(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** Up to a line feed, which is passed over. */
  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.#position);
    if (end < 0 || end - this.#position > MAX_LINE_BYTES) throw new PickleFault('is damaged: a name does not end');
    const text = this.#bytes.toString('utf8', this.#position, end);
    this.#position = end + 1;
    return text;
  }

  #take(length: number): number {
    const start = this.#position;
    if (length < 0 || start + length > this.#bytes.length) throw new PickleFault('is truncated or damaged');
    this.#position = start + length;
    return start;
  }
}
