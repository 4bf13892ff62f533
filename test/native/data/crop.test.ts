import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { picture, pictureImage, views } from '../../data/fixtures.js';
import { temporaryDirectory } from '../../support/paths.js';
import { addressedBits, unit } from './philox.js';
import { resize, roundHalfEven } from './pillow.js';

/** As numbered in native/core/rng.h. */
const CROP = 1;
const FLIP = 2;

const SIZE = 24;
const SEED = 2 ** 33 + 7;

interface Box {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

interface Ranges {
  readonly scale: readonly [number, number];
  readonly ratio: readonly [number, number];
}

/** `RandomResizedCrop.get_params` of torchvision, on the numbers of an address; and whether none of ten boxes did fit. */
function boxAt(width: number, height: number, { scale, ratio }: Ranges, epoch: number, index: number) {
  let position = 0;
  const uniform = (low: number, high: number): number =>
    low + (high - low) * unit(addressedBits(SEED, epoch, index, CROP, position++));
  for (let attempt = 0; attempt < 10; attempt++) {
    const area = width * height * uniform(...scale);
    const aspect = Math.exp(uniform(Math.log(ratio[0]), Math.log(ratio[1])));
    const w = roundHalfEven(Math.sqrt(area * aspect));
    const h = roundHalfEven(Math.sqrt(area / aspect));
    if (w > 0 && w <= width && h > 0 && h <= height) {
      const top = Math.floor(uniform(0, height - h + 1));
      const left = Math.floor(uniform(0, width - w + 1));
      return { box: { left, top, width: w, height: h }, isFallback: false };
    }
  }
  const whole = width / height;
  const w = whole > ratio[1] ? roundHalfEven(height * ratio[1]) : width;
  const h = whole < ratio[0] ? roundHalfEven(width / ratio[0]) : height;
  const box = { left: Math.floor((width - w) / 2), top: Math.floor((height - h) / 2), width: w, height: h };
  return { box, isFallback: true };
}

function cropped(pixels: Uint8Array, width: number, box: Box): Uint8Array {
  const rows = Array.from({ length: box.height }, (_, y) => {
    const at = ((box.top + y) * width + box.left) * 3;
    return pixels.subarray(at, at + box.width * 3);
  });
  return Buffer.concat(rows);
}

function mirrored(view: Uint8Array): Uint8Array {
  const out = new Uint8Array(view.length);
  for (let at = 0; at < view.length; at += 3) {
    const column = (at / 3) % SIZE;
    out.set(view.subarray(at, at + 3), at + 3 * (SIZE - 1 - 2 * column));
  }
  return out;
}

for (const { what, width, height, scale, ratio, fallback } of [
  { what: 'a photograph', width: 90, height: 67, scale: [0.08, 1], ratio: [3 / 4, 4 / 3], fallback: 'seldom' },
  { what: 'a tiny picture', width: 7, height: 9, scale: [0.08, 1], ratio: [3 / 4, 4 / 3], fallback: 'seldom' },
  { what: 'a wide strip', width: 160, height: 17, scale: [0.9, 1], ratio: [3 / 4, 4 / 3], fallback: 'always' },
  { what: 'a high strip', width: 13, height: 150, scale: [0.9, 1], ratio: [3 / 5, 4 / 3], fallback: 'always' },
  { what: 'unequal ratios', width: 80, height: 60, scale: [0.05, 0.3], ratio: [1 / 9, 7], fallback: 'seldom' },
] as const) {
  test(`a random crop is the box of its address, and mirrored as that says: ${what}`, async (t) => {
    const path = join(await temporaryDirectory(t), 'picture.png');
    await pictureImage(width, height).png().toFile(path);
    const pixels = picture(width, height);
    const paths = Array.from({ length: 12 }, () => path);
    const edges = { left: 0, top: 0, right: 0, bottom: 0, fallbacks: 0, turned: 0 };
    for (const epoch of [0, 1, 5]) {
      const crop = { kind: 'random', size: SIZE, scale, ratio, flip: 0.3 } as const;
      const seen = await views(paths, { crop, seed: SEED, epoch });
      for (const [index, view] of seen.entries()) {
        const { box, isFallback } = boxAt(width, height, { scale, ratio }, epoch, index);
        const plain = resize(cropped(pixels, width, box), box.width, box.height, SIZE, SIZE);
        const isTurned = unit(addressedBits(SEED, epoch, index, FLIP)) < 0.3;
        assert.deepEqual(
          Buffer.from(view),
          Buffer.from(isTurned ? mirrored(plain) : plain),
          `epoch ${epoch}, image ${index}: ${JSON.stringify(box)}`,
        );
        edges.left += Number(box.left === 0);
        edges.top += Number(box.top === 0);
        edges.right += Number(box.left + box.width === width);
        edges.bottom += Number(box.top + box.height === height);
        edges.fallbacks += Number(isFallback);
        edges.turned += Number(isTurned);
      }
    }
    assert.ok(edges.turned > 0 && edges.turned < 36, JSON.stringify(edges));
    if (fallback === 'always') assert.equal(edges.fallbacks, 36);
    // Both ends of both axes are met: the tiny picture has but some places for a box.
    if (what === 'a tiny picture') {
      assert.ok(Math.min(edges.left, edges.top, edges.right, edges.bottom) > 0, JSON.stringify(edges));
    }
  });
}
