import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import sharp from 'sharp';
import { openLoader } from '../../../src/data/loader.js';
import type { NativeTransform } from '../../../src/native/contract/data.js';
import { native } from '../../../src/native/load.js';
import { picture, pictureImage, views } from '../../data/fixtures.js';
import { temporaryDirectory } from '../../support/paths.js';
import { erase, erasedBox } from './erased-box.js';
import { addressedBits, unit } from './philox.js';

/** As numbered in native/core/rng.h. */
const VERTICAL_FLIP = 5;
const COLOR_JITTER = 6;
const GRAYSCALE = 7;

const SIZE = 40;
const SEED = 2 ** 35 + 11;
const STILL = { brightness: [1, 1], contrast: [1, 1], saturation: [1, 1], hue: [0, 0] } as const;

/** A picture that no crop changes, a number of times. */
async function paths(t: TestContext, count: number): Promise<readonly string[]> {
  const path = join(await temporaryDirectory(t), 'picture.png');
  await pictureImage(SIZE, SIZE).png().toFile(path);
  return Array.from({ length: count }, () => path);
}

/** Views of that picture, and what of it is expected. */
async function compare(
  t: TestContext,
  { count = 16, epochs = [0, 1, 5] as readonly number[] },
  o: { readonly transforms?: readonly NativeTransform[]; readonly verticalFlip?: number },
  expected: (plain: Uint8Array, address: { seed: number; epoch: number; index: number }) => Uint8Array,
): Promise<void> {
  const files = await paths(t, count);
  const { transforms = [], verticalFlip = 0 } = o;
  for (const epoch of epochs) {
    const crop = { size: SIZE, verticalFlip };
    const seen = await views(files, { crop, transforms, seed: SEED, epoch, workers: 2 });
    for (const [index, view] of seen.entries()) {
      const wanted = expected(picture(SIZE, SIZE), { seed: SEED, epoch, index });
      assert.deepEqual(Buffer.from(view), Buffer.from(wanted), `epoch ${epoch}, image ${index}`);
    }
  }
}

test('a view is mirrored top to bottom where its address says so', async (t) => {
  const row = SIZE * 3;
  let turned = 0;
  await compare(t, {}, { verticalFlip: 0.4 }, (plain, { seed, epoch, index }) => {
    if (unit(addressedBits(seed, epoch, index, VERTICAL_FLIP)) >= 0.4) return plain;
    turned++;
    return Buffer.concat(
      Array.from({ length: SIZE }, (_, y) => plain.subarray((SIZE - 1 - y) * row, (SIZE - y) * row)),
    );
  });
  assert.ok(turned > 0 && turned < 48, `${turned} turned`);
});

for (const { what, ...erasing } of [
  { what: 'at the defaults', probability: 0.6, scale: [0.02, 0.33], ratio: [0.3, 3.3] },
  { what: 'of unequal shapes', probability: 1, scale: [0.2, 0.9], ratio: [0.1, 2] },
  { what: 'that never fit', probability: 1, scale: [1, 1], ratio: [1, 1] },
] as const) {
  test(`the box of an address is erased: boxes ${what}`, async (t) => {
    let [erased, atRight, atBottom] = [0, 0, 0];
    await compare(t, {}, { transforms: [{ name: 'randomErasing', ...erasing }] }, (plain, address) => {
      const box = erasedBox(SIZE, erasing, address);
      erased += Number(box !== null);
      atRight += Number(box !== null && box.left + box.width === SIZE);
      atBottom += Number(box !== null && box.top + box.height === SIZE);
      return erase(plain, SIZE, box);
    });
    if (what === 'that never fit') assert.equal(erased, 0);
    else assert.ok(erased > 16 && (what !== 'at the defaults' || erased < 48), `${erased} erased`);
    if (what === 'of unequal shapes') assert.ok(Math.min(atRight, atBottom) > 0, `${atRight} and ${atBottom} at edges`);
  });
}

test('a view loses its colours where its address says so', async (t) => {
  let [grey, all] = [0, 0];
  await compare(t, {}, { transforms: [{ name: 'grayscale', probability: 0.3 }] }, (plain, { seed, epoch, index }) => {
    all++;
    if (unit(addressedBits(seed, epoch, index, GRAYSCALE)) >= 0.3) return plain;
    grey++;
    return greyOf(plain);
  });
  assert.ok(grey > 0 && grey < all, `${grey} of ${all}`);
});

/** torchvision's rgb_to_grayscale of bytes: singles, a product and a sum rounded together. */
function greyLevel(r: number, g: number, b: number): number {
  const single = Math.fround;
  const level = single(single(r * single(0.2989)) + g * single(0.587));
  return Math.floor(single(level + b * single(0.114)));
}

function greyOf(view: Uint8Array): Uint8Array {
  return Uint8Array.from(view, (_, i) => {
    const at = i - (i % 3);
    return greyLevel(view[at] ?? 0, view[at + 1] ?? 0, view[at + 2] ?? 0);
  });
}

/** value · factor + other · (1 − factor), as a byte. */
function blend(value: number, other: number, factor: number): number {
  const scaled = Math.fround(value * Math.fround(factor));
  return Math.trunc(Math.min(255, Math.max(0, Math.fround(scaled + other * Math.fround(1 - factor)))));
}

test('factors of the colour jitter, and their order, are those of the address', async (t) => {
  const ranges = { brightness: [0.6, 1.4], contrast: [0.2, 1.8], saturation: [0.5, 2] } as const;
  const transforms = [{ name: 'colorJitter', ...ranges, hue: [0, 0] }] as const;
  const orders = new Set<string>();
  await compare(t, {}, { transforms }, (plain, { seed, epoch, index }) => {
    let position = 0;
    const uniform = (low: number, high: number) =>
      low + (high - low) * unit(addressedBits(seed, epoch, index, COLOR_JITTER, position++));
    const order = ['brightness', 'contrast', 'saturation', 'hue'];
    for (let left = 4; left > 1; left--) {
      const other = Math.floor(uniform(0, left));
      [order[left - 1], order[other]] = [order[other] ?? '', order[left - 1] ?? ''];
    }
    orders.add(order.join());
    const [brightness, contrast, saturation] = Object.values(ranges).map(([low, high]) => uniform(low, high));
    const change: Readonly<Record<string, (view: Uint8Array) => Uint8Array>> = {
      brightness: (view) => view.map((value) => blend(value, 0, brightness ?? 1)),
      contrast: (view) => {
        const levels = greyOf(view);
        const mean = Math.fround(levels.reduce((sum, level) => sum + level, 0) / levels.length);
        return view.map((value) => blend(value, mean, contrast ?? 1));
      },
      saturation: (view) => {
        const levels = greyOf(view);
        return view.map((value, i) => blend(value, levels[i] ?? 0, saturation ?? 1));
      },
    };
    return order.reduce((view, name) => change[name]?.(view) ?? view, plain);
  });
  assert.ok(orders.size > 10, `${orders.size} orders`);
});

/** Of sixteen pixels, black, white, grey, pure and mixed: what torchvision 0.29.1's functions of bytes make of them. */
const PIXELS = '000000ffffff808080ff000000ff000000ffffff0000ffffff00ff0ac85ac80a5a5a1edcfaf9fb0102034d8540b49614';
const GOLDEN = [
  [
    'brightness',
    1.3,
    '000000ffffffa6a6a6ff000000ff000000ffffff0000ffffff00ff0dff74ff0d747427ffffffff01020364ac53e9c31a',
  ],
  ['contrast', 0.5, '3b3b3bbbbbbb7b7b7bbb3b3b3bbb3b3b3bbbbbbb3b3bbbbbbb3bbb409f689f4068684aa9b8b8b93c3c3d627e5b958645'],
  ['contrast', 1.7, '000000ffffff858585ff000000ff000000ffffff0000ffffff00ff00ff45ff00454500ffffffff0000002e8e18deab00'],
  [
    'saturation',
    0.4,
    '000000fefefe7f7f7f932d2d59bf59111177eded876ad0d0a53fa5529e727d31514d3581f9f9f90101015f765a9e925e',
  ],
  [
    'saturation',
    1.7,
    '000000ffffff808080ff000000ff000000ffffff0000ffffff00ff00f93eff00646802fffaf9fc010204379621cd9a00',
  ],
  ['hue', 0.1, '000000ffffff808080ff990000ff999900ff66ff000066ffff00660ac4c8c82c0acc1edcfbf9fb01010340855c72b414'],
  ['hue', -0.37, '000000ffffff8080800038ffff003838ff00c700ffffc70000ffc7c8300a0a84c81edc30f9fbfa02030185405c7314b4'],
] as const;

test("colours change as torchvision's do", async (t) => {
  const path = join(await temporaryDirectory(t), 'pixels.png');
  await sharp(Buffer.from(PIXELS, 'hex'), { raw: { width: 4, height: 4, channels: 3 } })
    .png()
    .toFile(path);
  const made = async (transform: NativeTransform) => {
    const [view] = await views([path], { crop: { size: 4 }, transforms: [transform] });
    return Buffer.from(view ?? []).toString('hex');
  };
  for (const [name, factor, wanted] of GOLDEN) {
    assert.equal(await made({ name: 'colorJitter', ...STILL, [name]: [factor, factor] }), wanted, `${name} ${factor}`);
  }
  assert.equal(
    await made({ name: 'grayscale', probability: 1 }),
    '000000fefefe7f7f7f4c4c4c9595951d1d1de1e1e1b2b2b26969698282824b4b4b454545f9f9f90101016c6c6c909090',
  );
});

test('transforms are made in their order, after the flips, whether pictures stay in memory or not', async (t) => {
  const files = await paths(t, 12);
  const erasing = { probability: 1, scale: [0.02, 0.33], ratio: [0.3, 3.3] } as const;
  const transforms = [
    { name: 'randomErasing', ...erasing },
    { name: 'grayscale', probability: 1 },
  ] as const;
  const imageCache = new (native().ImageCache)(null);
  t.after(() => imageCache.dispose());
  for (let pass = 0; pass < 2; pass++) {
    const seen = await views(files, { crop: { size: SIZE }, transforms, imageCache });
    for (const [index, view] of seen.entries()) {
      const box = erasedBox(SIZE, erasing, { seed: 1, epoch: 0, index });
      assert.deepEqual(Buffer.from(view), Buffer.from(greyOf(erase(picture(SIZE, SIZE), SIZE, box))));
    }
  }
  const [swapped] = await views(files, { crop: { size: SIZE }, transforms: transforms.toReversed() });
  const box = erasedBox(SIZE, erasing, { seed: 1, epoch: 0, index: 0 });
  assert.deepEqual(Buffer.from(swapped ?? []), Buffer.from(erase(greyOf(picture(SIZE, SIZE)), SIZE, box)));
});

test('transforms that are unknown, doubled or out of range are refused', () => {
  const open = (...transforms: readonly unknown[]) => {
    const files = new (native().FileList)([], new Int32Array(0));
    const crop = { kind: 'center', size: 32, resize: 32, scale: [1, 1], ratio: [1, 1], flip: 0 } as const;
    const pass = { files, crop, batchSize: 1, epoch: 0, seed: 0, training: false };
    openLoader({ ...pass, transforms: transforms as readonly NativeTransform[] }).dispose();
  };
  const erasing = { name: 'randomErasing', probability: 0.5, scale: [0.02, 0.33], ratio: [0.3, 3.3] };
  const grey = { name: 'grayscale', probability: 0.5 };
  open(erasing, grey);
  const refused = (message: RegExp, ...transforms: readonly unknown[]) =>
    assert.throws(() => open(...transforms), { code: 'ERR_INVALID_ARGUMENT', message });
  refused(/name of a transform, not 'sepia'/, { name: 'sepia' });
  refused(/second 'grayscale'/, grey, erasing, grey);
  refused(/grayscale\.probability.*from 0 to 1/, { ...grey, probability: 1.1 });
  refused(/randomErasing\.scale.*in order, above 0 and at most 1/, { ...erasing, scale: [0, 0.5] });
  refused(/randomErasing\.scale/, { ...erasing, scale: [0.5, 0.4] });
  refused(/randomErasing\.ratio/, { ...erasing, ratio: [1] });
  refused(/colorJitter\.hue.*at least -0\.5 and at most 0\.5/, { name: 'colorJitter', ...STILL, hue: [-0.6, 0] });
  refused(/colorJitter\.brightness/, { name: 'colorJitter' });
});
