import type { Floats } from '../../../src/native/contract/model.js';

/** Repeatable values in −1 to 1 (a linear congruential generator). */
export function uniform(length: number, seed: number): Float64Array {
  let state = seed >>> 0;
  return Float64Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  });
}

/** ‖a − b‖ / ‖b‖. */
export function distance(a: Floats, b: Floats): number {
  let apart = 0;
  let whole = 0;
  for (const [i, value] of b.entries()) {
    apart += ((a[i] ?? Number.NaN) - value) ** 2;
    whole += value ** 2;
  }
  return whole === 0 ? Math.sqrt(apart) : Math.sqrt(apart / whole);
}
