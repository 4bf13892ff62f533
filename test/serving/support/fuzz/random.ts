import { importScript } from '../../../scripts/support/script.js';

const { seededRandom } = await importScript<{ seededRandom(seed: number): { next(): number } }>('demo/random.mjs');

/** Numbers that a seed gives again, and what is made of them. */
export class Random {
  /** 0 to 1, 1 left out. */
  readonly unit: () => number;

  constructor(seed: number) {
    this.unit = seededRandom(seed).next;
  }

  /** A whole number from 0, `end` left out. */
  below(end: number): number {
    return Math.floor(this.unit() * end);
  }

  chance(share: number): boolean {
    return this.unit() < share;
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }

  bytes(length: number): Buffer {
    return Buffer.from(Array.from({ length }, () => this.below(256)));
  }

  /** Printable and unprintable characters that have a meaning somewhere. */
  text(length: number): string {
    const alphabet = 'abcXYZ019-_.~/\\:;,=&?%#"\'<>()[]{}@ \t\0\u007fé青\u202e';
    return Array.from({ length }, () => this.pick([...alphabet])).join('');
  }
}

/** Some bytes flipped, replaced, taken away, put in, cut off or said twice. */
export function mutate(random: Random, original: Uint8Array): Buffer {
  let bytes = Buffer.from(original);
  const times = 1 + random.below(8);
  for (let i = 0; i < times; i++) {
    const at = random.below(bytes.length + 1);
    const end = Math.min(bytes.length, at + 1 + random.below(64));
    switch (random.below(6)) {
      case 0:
        if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
        break;
      case 1:
        random.bytes(end - at).copy(bytes, at);
        break;
      case 2:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)]);
        break;
      case 3:
        bytes = Buffer.concat([bytes.subarray(0, at), random.bytes(1 + random.below(32)), bytes.subarray(at)]);
        break;
      case 4:
        if (random.chance(0.3)) bytes = bytes.subarray(0, at);
        break;
      default:
        bytes = Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)]);
    }
  }
  return bytes;
}
