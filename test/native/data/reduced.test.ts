import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { native } from '../../../src/native/load.js';
import { meanDifference, views } from '../../data/fixtures.js';
import { temporaryDirectory } from '../../support/paths.js';

const RANDOM = { kind: 'random', scale: [0.35, 1], ratio: [3 / 4, 4 / 3], flip: 0.5 } as const;

/** Random by name: the whole picture every time. */
const WHOLE = { kind: 'random', scale: [1, 1], ratio: [1.2, 1.4], flip: 0 } as const;

/** Slow waves of light below, and on the right half soft noise with hard edges, as raw RGB. */
function photograph(width: number, height: number): Buffer {
  const pixels = Buffer.alloc(width * height * 3);
  let random = 1;
  for (let y = 0; y < height; y++) {
    let grain = 0;
    for (let x = 0; x < width; x++) {
      random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
      grain += ((random >>> 24) - 128 - grain) / 3;
      const textured = x > width / 2;
      const edge = textured && ((x >> 5) + (y >> 6)) % 3 === 0 ? 60 : 0;
      const wave = 110 + 60 * Math.sin(x / 90 + y / 140) + (textured ? grain : 0);
      const at = (y * width + x) * 3;
      pixels[at] = Math.max(0, Math.min(255, wave + edge));
      pixels[at + 1] = Math.max(0, Math.min(255, wave - edge / 2 + (40 * y) / height));
      pixels[at + 2] = Math.max(0, Math.min(255, 200 - wave / 2));
    }
  }
  return pixels;
}

test('a 12-megapixel JPEG, decoded at a part of its size, shows what a full decode shows', async (t) => {
  const folder = await temporaryDirectory(t);
  const [width, height] = [4001, 3003];
  const path = join(folder, 'large.jpg');
  await sharp(photograph(width, height), { raw: { width, height, channels: 3 } })
    .jpeg({ quality: 90, chromaSubsampling: '4:2:0' })
    .toFile(path);
  // What is no JPEG is always decoded whole.
  const whole = join(folder, 'large.png');
  await sharp(path).png({ compressionLevel: 0 }).toFile(whole);
  // The short side by 13, 6.5 and 30 times: at a quarter, a half and an eighth of the size.
  for (const [size, resize] of [
    [224, 232],
    [448, 464],
    [96, 100],
  ] as const) {
    for (const [crop, epochs] of [
      [{ kind: 'center' }, 1],
      [RANDOM, 2],
    ] as const) {
      for (let epoch = 0; epoch < epochs; epoch++) {
        const o = { epoch, crop: { ...crop, size, resize } };
        const [reduced] = await views([path], o);
        const [full] = await views([whole], o);
        const difference = meanDifference(reduced ?? new Uint8Array(), full ?? new Uint8Array());
        t.diagnostic(`${size} px, ${crop.kind}: ${difference.toFixed(3)} of 255`);
        assert.ok(difference > 0, `${size} px, ${crop.kind}: it was decoded whole`);
        assert.ok(difference < 0.6, `${size} px, ${crop.kind}: ${difference}`);
      }
    }
  }
});

test('every orientation and subsampling lies where it does in a full decode', async (t) => {
  const folder = await temporaryDirectory(t);
  const [width, height] = [403, 309]; // no whole number of squares
  const jpegs: string[] = [];
  const whole: string[] = [];
  for (const chromaSubsampling of ['4:4:4', '4:2:0']) {
    for (let orientation = 1; orientation <= 8; orientation++) {
      const path = join(folder, `${chromaSubsampling}-${orientation}.jpg`);
      await sharp(photograph(width, height), { raw: { width, height, channels: 3 } })
        .blur(2)
        .withMetadata({ orientation })
        .jpeg({ quality: 95, chromaSubsampling })
        .toFile(path);
      const png = path.replace('.jpg', '.png');
      await sharp(path).autoOrient().toFile(png);
      jpegs.push(path);
      whole.push(png);
    }
  }
  for (const size of [18, 36, 70]) {
    for (const crop of [
      { size, resize: size },
      { size, ...RANDOM },
    ]) {
      const got = await views(jpegs, { crop });
      const wanted = await views(whole, { crop });
      for (const [i, view] of got.entries()) {
        const difference = meanDifference(view, wanted[i] ?? view);
        assert.ok(difference < 0.7, `${jpegs[i]} at ${size} px: ${difference}`);
      }
    }
  }
});

test('a picture is kept at each reduction that its views are made at, and only where it fits', async (t) => {
  const folder = await temporaryDirectory(t);
  const [width, height] = [403, 309];
  const path = join(folder, 'a.jpg');
  await sharp(photograph(width, height), { raw: { width, height, channels: 3 } })
    .jpeg()
    .toFile(path);
  const cache = new (native().ImageCache)(1e6);
  t.after(() => cache.dispose());
  const bytes = (factor: number) => Math.ceil(width / factor) * Math.ceil(height / factor) * 3 + 1;
  for (const size of [200, 36, 70, 36, 200]) {
    const crop = { ...WHOLE, size, resize: size };
    assert.deepEqual(await views([path], { crop, imageCache: cache }), await views([path], { crop }));
  }
  assert.deepEqual(cache.held(), { images: 3, bytes: bytes(1) + bytes(2) + bytes(4) });
  const center = { kind: 'center', size: 36, resize: 36, scale: [1, 1], ratio: [1, 1], flip: 0 } as const;
  const sizes = (jpeg: number) => Int32Array.of(width, height, jpeg);
  assert.deepEqual(cache.plan(sizes(1), center, 0), { images: 1, bytes: 36 * 36 * 3 });
  const enlarged = { ...center, size: 360, resize: 360 };
  assert.deepEqual(cache.plan(sizes(1), enlarged, 0), { images: 1, bytes: bytes(1) });
  assert.deepEqual(cache.plan(sizes(1), { ...center, kind: 'random' }, 0), {
    images: 1,
    bytes: bytes(1) + bytes(2) + bytes(4),
  });
  assert.deepEqual(cache.plan(sizes(1), center, 1e6), { images: 0, bytes: 0 });
  const small = new (native().ImageCache)(bytes(4));
  await views([path], { crop: { ...WHOLE, size: 36, resize: 36 }, imageCache: small });
  await views([path], { crop: { ...WHOLE, size: 200, resize: 200 }, imageCache: small });
  assert.deepEqual(small.held(), { images: 1, bytes: bytes(4) });
  small.dispose();
  assert.throws(() => small.held(), { code: 'ERR_DISPOSED' });
});
