/** The same measurement of prediction for every peer. */

import { seededRandom } from '../../scripts/demo/random.mjs';
import { median } from './statistics.mjs';

/** Normalised pixels, about what photographs give. @param {readonly number[]} shape */
export function pixels(shape) {
  const random = seededRandom(1);
  const values = new Float32Array(shape.reduce((product, side) => product * side, 1));
  for (let i = 0; i < values.length; i++) values[i] = random.between(-2, 2);
  return values;
}

/**
 * Calls until the time is over, the first three calls not counted.
 *
 * @param {() => Promise<ArrayLike<number>>} call
 * @param {number} batch images a call
 * @param {number} seconds
 */
export async function throughput(call, batch, seconds) {
  for (let i = 0; i < 3; i++) await call();
  /** @type {number[]} */
  const times = [];
  /** @type {ArrayLike<number>} */
  let logits = [];
  const start = performance.now();
  while (performance.now() - start < seconds * 1000 || times.length < 3) {
    const before = performance.now();
    logits = await call();
    times.push((performance.now() - before) / 1000);
  }
  return {
    imagesPerSecond: batch / median(times),
    milliseconds: median(times) * 1000,
    calls: times.length,
    first: logits[0],
  };
}
