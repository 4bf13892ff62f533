/** ‖actual − expected‖ / ‖expected‖, the measure of everything here; the difference itself where nothing was expected. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let size = 0;
  for (let i = 0; i < expected.length; i++) {
    const e = expected[i] ?? Number.NaN;
    const d = (actual[i] ?? Number.NaN) - e;
    difference += d * d;
    size += e * e;
  }
  return Math.sqrt(size === 0 ? difference : difference / size);
}
