import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import sharp from 'sharp';
import { scanFiles } from '../../src/data/check.js';
import { temporaryDirectory } from '../support/paths.js';
import { isNear, meanDifference, middle, pictureImage, views, writeColour } from './fixtures.js';

const RANDOM = { kind: 'random', scale: [0.1, 0.5], ratio: [3 / 4, 4 / 3], flip: 0.5 } as const;
const WIDTH = 150;
const HEIGHT = 97;

async function single(path: string): Promise<Uint8Array> {
  const [view] = await views([path]);
  assert.ok(view);
  return view;
}

test('every EXIF orientation shows upright, whole and in partial crops', async (t) => {
  const folder = await temporaryDirectory(t);
  for (const extension of ['jpg', 'png', 'tif', 'webp']) {
    const turned: string[] = [];
    const upright: string[] = [];
    for (let orientation = 1; orientation <= 8; orientation++) {
      const path = join(folder, `${orientation}.${extension}`);
      const image = pictureImage(WIDTH, HEIGHT).withMetadata({ orientation });
      await (extension === 'jpg' ? image.jpeg({ quality: 95, chromaSubsampling: '4:2:0' }) : image).toFile(path);
      const png = join(folder, `${orientation}-${extension}-upright.png`);
      await sharp(path).autoOrient().toFile(png);
      turned.push(path);
      upright.push(png);
    }
    const sizes = (await scanFiles(turned, {})).map(({ width, height }) => `${width}x${height}`);
    assert.deepEqual(sizes.slice(0, 4), Array(4).fill(`${WIDTH}x${HEIGHT}`), extension);
    assert.deepEqual(sizes.slice(4), Array(4).fill(`${HEIGHT}x${WIDTH}`), extension);
    for (const crop of [{}, RANDOM]) {
      for (const epoch of [0, 1, 2]) {
        const got = await views(turned, { crop, epoch });
        const wanted = await views(upright, { crop, epoch });
        for (const [i, view] of got.entries()) {
          const difference = meanDifference(view, wanted[i] ?? view);
          assert.ok(difference < 0.5, `${extension}, orientation ${i + 1}: ${difference}`);
        }
      }
    }
  }
});

test('a partial JPEG decode equals the same crop of the whole, whatever the subsampling', async (t) => {
  const folder = await temporaryDirectory(t);
  const paths: string[] = [];
  const whole: string[] = [];
  for (const chromaSubsampling of ['4:4:4', '4:2:0']) {
    for (const progressive of [false, true]) {
      const path = join(folder, `${paths.length}.jpg`);
      await pictureImage(301, 203).jpeg({ chromaSubsampling, progressive }).toFile(path);
      const png = join(folder, `${paths.length}.png`);
      await sharp(path).toFile(png);
      paths.push(path);
      whole.push(png);
    }
  }
  for (let epoch = 0; epoch < 8; epoch++) {
    const got = await views(paths, { crop: RANDOM, epoch });
    const wanted = await views(whole, { crop: RANDOM, epoch });
    for (const [i, view] of got.entries()) {
      const difference = meanDifference(view, wanted[i] ?? view);
      assert.ok(difference < 0.1, `image ${i}, epoch ${epoch}: ${difference}`);
    }
  }
});

test('grey JPEG, PNG and TIFF become RGB', async (t) => {
  const folder = await temporaryDirectory(t);
  for (const extension of ['jpg', 'png', 'tif']) {
    const path = join(folder, `grey.${extension}`);
    await sharp({ create: { width: 50, height: 40, channels: 3, background: '#808080' } })
      .toColourspace('b-w')
      .toFile(path);
    assert.equal((await sharp(path).metadata()).channels, 1);
    assert.ok(isNear(middle(await single(path)), [128, 128, 128], 1), extension);
  }
});

test('a CMYK JPEG is read', async (t) => {
  const path = join(await temporaryDirectory(t), 'cmyk.jpg');
  await sharp({ create: { width: 50, height: 40, channels: 3, background: '#d03010' } })
    .toColourspace('cmyk')
    .jpeg({ quality: 100 })
    .toFile(path);
  const metadata = await sharp(path).metadata();
  assert.equal(metadata.channels, 4);
  const [red = 0, green = 0, blue = 0] = middle(await single(path));
  assert.ok(red > 150 && green < 110 && blue < 90, `${red} ${green} ${blue}`);
});

test('16-bit samples lose their low byte', async (t) => {
  const path = join(await temporaryDirectory(t), 'deep.png');
  const samples = new Uint16Array(50 * 40 * 3).map((_, i) => [0x80ff, 0x4000, 0xff80][i % 3] ?? 0);
  await sharp(samples, { raw: { width: 50, height: 40, channels: 3 } })
    .toColourspace('rgb16')
    .png()
    .toFile(path);
  assert.equal((await sharp(path).metadata()).depth, 'ushort');
  assert.deepEqual(middle(await single(path)), [0x80, 0x40, 0xff]);
});

test('a palette is looked up', async (t) => {
  const path = join(await temporaryDirectory(t), 'palette.png');
  await sharp({ create: { width: 50, height: 40, channels: 3, background: '#206080' } })
    .png({ palette: true, colours: 4 })
    .toFile(path);
  assert.ok((await sharp(path).metadata()).isPalette);
  assert.ok(isNear(middle(await single(path)), [0x20, 0x60, 0x80], 2));
});

test('of an animation the first frame is taken', async (t) => {
  const folder = await temporaryDirectory(t);
  const frames = await Promise.all(
    ['#ff0000', '#0000ff'].map((colour, i) => writeColour(join(folder, `${i}.png`), colour)),
  );
  for (const extension of ['gif', 'webp']) {
    const path = join(folder, `animation.${extension}`);
    await sharp(frames, { join: { animated: true } }).toFile(path);
    assert.equal((await sharp(path).metadata()).pages, 2);
    assert.ok(isNear(middle(await single(path)), [255, 0, 0], 3), extension);
  }
});

test('alpha is dropped, not blended', async (t) => {
  const folder = await temporaryDirectory(t);
  for (const extension of ['png', 'webp']) {
    const path = join(folder, `alpha.${extension}`);
    await sharp({ create: { width: 50, height: 40, channels: 4, background: { r: 200, g: 100, b: 50, alpha: 0.25 } } })
      .webp({ lossless: true, exact: true })
      .toFormat(extension === 'png' ? 'png' : 'webp', { lossless: true, exact: true })
      .toFile(path);
    assert.ok((await sharp(path).metadata()).hasAlpha);
    assert.ok(isNear(middle(await single(path)), [200, 100, 50], 1), extension);
  }
});

test('AVIF and TIFF are read', async (t) => {
  const folder = await temporaryDirectory(t);
  for (const name of ['a.avif', 'a.tiff']) {
    const path = await writeColour(join(folder, name), '#4080c0');
    assert.ok(isNear(middle(await single(path)), [0x40, 0x80, 0xc0], 4), name);
  }
});

test('a format counts by its bytes, not by its extension', async (t) => {
  const folder = await temporaryDirectory(t);
  const png = await writeColour(join(folder, 'a.png'), '#4080c0');
  const path = join(folder, 'a.jpg');
  await writeFile(path, await readFile(png));
  assert.deepEqual(middle(await single(path)), [0x40, 0x80, 0xc0]);
  assert.equal((await scanFiles([path], {}))[0]?.format, 'png');
});

test('an image smaller than the crop gets a black border, as torchvision gives it', async (t) => {
  const path = await writeColour(join(await temporaryDirectory(t), 'small.png'), '#ffffff', 20, 10);
  const [view] = await views([path], { crop: { size: 64, resize: 32 } });
  assert.ok(view);
  // 64×32 in a square of 64: 16 black rows above and below.
  const column = Array.from({ length: 64 }, (_, y) => view[(y * 64 + 32) * 3]);
  assert.deepEqual(column, [...Array(16).fill(0), ...Array(32).fill(255), ...Array(16).fill(0)]);
});
