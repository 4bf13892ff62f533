/** Philox4x32-10 as its authors publish it, for checking the native one from outside. */
export function philox(counter: readonly number[], key: readonly number[]): readonly number[] {
  let [c0 = 0, c1 = 0, c2 = 0, c3 = 0] = counter;
  let [k0 = 0, k1 = 0] = key;
  for (let round = 0; round < 10; round++) {
    const product0 = BigInt(c0) * 0xd2511f53n;
    const product1 = BigInt(c2) * 0xcd9e8d57n;
    [c0, c1, c2, c3] = [
      (Number(product1 >> 32n) ^ c1 ^ k0) >>> 0,
      Number(product1 & 0xffffffffn),
      (Number(product0 >> 32n) ^ c3 ^ k1) >>> 0,
      Number(product0 & 0xffffffffn),
    ];
    k0 = (k0 + 0x9e3779b9) >>> 0;
    k1 = (k1 + 0xbb67ae85) >>> 0;
  }
  return [c0, c1, c2, c3];
}

/** 64 bits at an address, the first or those at a position; purposes as numbered in native/core/rng.h. */
export function addressedBits(seed: number, epoch: number, index: number, purpose: number, position = 0): bigint {
  const words = philox([position >> 1, (purpose << 24) >>> 0, index, epoch], [seed >>> 0, Math.floor(seed / 2 ** 32)]);
  const [low = 0, high = 0] = words.slice(2 * (position & 1));
  return (BigInt(high) << 32n) | BigInt(low);
}

/** Uniform in [0, 1) from 64 bits. */
export function unit(bits: bigint): number {
  return Number(bits >> 11n) * 2 ** -53;
}
