import type { Population } from './metric.js';
import type { Scores } from './scores.js';

/** Bits of a key that are sorted at once: three passes take 33, and keys have 31. */
const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;

/**
 * One output against the rest: the images in ascending order of its probability, each as a key. Keys are ordered as the
 * probabilities are, since the bits of floats that are not negative are; the lowest bit says whether the image is of
 * the class.
 */
export function rankedKeys({ outputs, parts }: Scores, output: number): Uint32Array {
  const images = parts.reduce((sum, { labels }) => sum + labels.length, 0);
  const keys = new Uint32Array(images);
  let to = 0;
  for (const { labels, probabilities } of parts) {
    const bits = new Uint32Array(probabilities.buffer, probabilities.byteOffset, probabilities.length);
    for (let row = 0; row < labels.length; row++) {
      const own = bits[row * outputs + output] ?? 0;
      keys[to++] = own * 2 + (labels[row] === output ? 1 : 0);
    }
  }
  return sorted(keys);
}

/** Radix sort, least digit first: a comparison sort of a million keys would keep others waiting. */
function sorted(keys: Uint32Array): Uint32Array {
  let from: Uint32Array = keys;
  let to: Uint32Array = new Uint32Array(keys.length);
  for (let shift = 0; shift < 32; shift += DIGIT_BITS) {
    const digitOf = (key: number) => (key >>> shift) & (DIGITS - 1);
    const next = new Uint32Array(DIGITS + 1);
    for (const key of from) next[digitOf(key) + 1] = (next[digitOf(key) + 1] ?? 0) + 1;
    for (let digit = 1; digit <= DIGITS; digit++) next[digit] = (next[digit] ?? 0) + (next[digit - 1] ?? 0);
    for (const key of from) {
      const place = next[digitOf(key)] ?? 0;
      to[place] = key;
      next[digitOf(key)] = place + 1;
    }
    [from, to] = [to, from];
  }
  return from;
}

/** Images with one and the same probability. */
export interface Tie {
  /** Of the class, and of others. */
  readonly positives: number;
  readonly negatives: number;
}

/** The images of `rankedKeys()` in ascending order, those of equal probability together. */
export function tiesOf(keys: Uint32Array): readonly Tie[] {
  const ties: Tie[] = [];
  for (let start = 0; start < keys.length; ) {
    const probability = (keys[start] ?? 0) >>> 1;
    let end = start;
    let positives = 0;
    for (; end < keys.length && (keys[end] ?? 0) >>> 1 === probability; end++) positives += (keys[end] ?? 0) & 1;
    ties.push({ positives, negatives: end - start - positives });
    start = end;
  }
  return ties;
}

/** The reason of metrics that set each class against the rest. */
export function lacksAClass(
  { outputs, imagesOfOutputs }: Population,
  nameOf: (output: number) => string,
): string | undefined {
  if (outputs < 2) return 'the model knows one class';
  const missing = imagesOfOutputs?.flatMap((images, output) => (images === 0 ? [nameOf(output)] : [])) ?? [];
  if (missing.length > 0) {
    const [first = '', ...others] = missing;
    const more = others.length === 0 ? '' : ` and ${others.length} more`;
    return `it sets every class against the rest, and there is no image of ${first}${more}`;
  }
  return undefined;
}
