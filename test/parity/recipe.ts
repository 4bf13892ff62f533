/**
 * Weights and images that Python (recipe.py) and TypeScript can both compute, to the bit: an integer hash, scaled. The
 * comments are there.
 */

/** "lowbias32" of Chris Wellons' hash prospector. */
function mix(value: number): number {
  let x = value;
  x ^= x >>> 16;
  x = Math.imul(x, 0x7feb352d);
  x ^= x >>> 15;
  x = Math.imul(x, 0x846ca68b);
  x ^= x >>> 16;
  return x >>> 0;
}

/** Hash `i` of a stream is `mix(i + mix(stream + 1))`. */
function hasher(stream: number): (index: number) => number {
  const start = mix(stream + 1);
  return (index) => mix((index + start) | 0);
}

/** float64 in [low, high). */
export function uniform(count: number, stream: number, low: number, high: number): Float64Array {
  const hash = hasher(stream);
  const out = new Float64Array(count);
  for (let i = 0; i < count; i++) out[i] = low + (hash(i) / 4294967296) * (high - low);
  return out;
}

function weightRange(name: string, shape: readonly number[]): readonly [number, number] {
  if (name.endsWith('num_batches_tracked')) return [0, 0];
  if (shape.length === 4) {
    const bound = Math.sqrt(6 / sizeOf(shape.slice(1)));
    return [-bound, bound];
  }
  if (name.startsWith('fc.')) {
    const bound = 1 / Math.sqrt(shape.at(-1) ?? 1);
    return [-bound, bound];
  }
  if (name.endsWith('running_var') || name.endsWith('weight')) {
    return name.endsWith('bn3.weight') ? [0.2, 0.4] : [0.5, 1.5];
  }
  return [-0.2, 0.2];
}

/** Values of the tensor at `position` of the state dict. */
export function weightValues(name: string, shape: readonly number[], position: number): Float64Array {
  return uniform(sizeOf(shape), position, ...weightRange(name, shape));
}

/** Normalised pixels, roughly: uniform in [−2, 2). */
export function imageValues(shape: readonly number[], stream: number): Float64Array {
  return uniform(sizeOf(shape), 1000 + stream, -2, 2);
}

export function labelValues(count: number, classes: number, stream: number): Int32Array {
  const hash = hasher(2000 + stream);
  return Int32Array.from({ length: count }, (_, i) => hash(i) % classes);
}

export const PICTURE = { width: 44, height: 36 } as const;
const BLOCK = 12;

/** Squares of one colour each: rows of red, green and blue, 8 bits each. */
export function pictureBytes(stream: number): Uint8Array {
  const { width, height } = PICTURE;
  const columns = Math.ceil(width / BLOCK);
  const colours = uniform(Math.ceil(height / BLOCK) * columns * 3, 5000 + stream, 0, 256);
  return Uint8Array.from({ length: width * height * 3 }, (_, i) => {
    const [x, y] = [Math.floor(i / 3) % width, Math.floor(i / 3 / width)];
    const block = Math.floor(y / BLOCK) * columns + Math.floor(x / BLOCK);
    return Math.floor(colours[3 * block + (i % 3)] ?? 0);
  });
}

const PROJECTIONS = 8;

/** The L2 norm, then sums under 8 patterns of random signs. */
export function digest(values: ArrayLike<number>): Float64Array {
  const hash = hasher(3000);
  const out = new Float64Array(1 + PROJECTIONS);
  let squares = 0;
  let [s0, s1, s2, s3, s4, s5, s6, s7] = [0, 0, 0, 0, 0, 0, 0, 0];
  for (let i = 0; i < values.length; i++) {
    const x = values[i] ?? 0;
    const bits = hash(i);
    squares += x * x;
    s0 += bits & 1 ? -x : x;
    s1 += bits & 2 ? -x : x;
    s2 += bits & 4 ? -x : x;
    s3 += bits & 8 ? -x : x;
    s4 += bits & 16 ? -x : x;
    s5 += bits & 32 ? -x : x;
    s6 += bits & 64 ? -x : x;
    s7 += bits & 128 ? -x : x;
  }
  out.set([Math.sqrt(squares), s0, s1, s2, s3, s4, s5, s6, s7]);
  return out;
}

/** An estimate of ‖a − b‖ / ‖b‖ from the digests of a and b. */
export function digestError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let squares = 0;
  for (let k = 1; k <= PROJECTIONS; k++) squares += ((actual[k] ?? Number.NaN) - (expected[k] ?? Number.NaN)) ** 2;
  const norm = expected[0] ?? Number.NaN;
  const difference = Math.max(Math.sqrt(squares / PROJECTIONS), Math.abs((actual[0] ?? Number.NaN) - norm));
  return norm === 0 ? difference : difference / norm;
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}
