import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { picture, pictureImage, views } from '../../data/fixtures.js';
import { temporaryDirectory } from '../../support/paths.js';
import { cut, resize, roundHalfEven } from './pillow.js';

test('the centre view equals Resize and CenterCrop of torchvision over Pillow, bit for bit', async (t) => {
  const folder = await temporaryDirectory(t);
  const cases = [
    { width: 101, height: 77, short: 48, size: 40 },
    { width: 77, height: 130, short: 41, size: 36 },
    { width: 40, height: 33, short: 70, size: 64 }, // enlarged
    { width: 64, height: 64, short: 64, size: 64 }, // as it is
    { width: 333, height: 35, short: 32, size: 32 },
  ];
  for (const { width, height, short, size } of cases) {
    const path = join(folder, `${width}x${height}.png`);
    await pictureImage(width, height).png().toFile(path);
    const [view] = await views([path], { crop: { size, resize: short } });
    const long = Math.trunc((short * Math.max(width, height)) / Math.min(width, height));
    const [toWidth, toHeight] = width <= height ? [short, long] : [long, short];
    const [left, top] = [roundHalfEven((toWidth - size) / 2), roundHalfEven((toHeight - size) / 2)];
    const wanted = cut(resize(picture(width, height), width, height, toWidth, toHeight), toWidth, left, top, size);
    assert.deepEqual(Buffer.from(view ?? []), Buffer.from(wanted), `${width}×${height}`);
  }
});
