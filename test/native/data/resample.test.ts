import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { picture, pictureImage, views } from '../../data/fixtures.js';
import { temporaryDirectory } from '../../support/paths.js';

/** One axis of Pillow's `Image.resize(BILINEAR)`, written from its description: a triangle, 22-bit weights, 8-bit sums. */
function axis(input: number, output: number): readonly (readonly (readonly [from: number, weight: number])[])[] {
  const scale = input / output;
  const support = Math.max(scale, 1);
  return Array.from({ length: output }, (_, i) => {
    const center = (i + 0.5) * scale;
    const low = Math.max(Math.trunc(center - support + 0.5), 0);
    const high = Math.min(Math.trunc(center + support + 0.5), input);
    const exact = Array.from({ length: high - low }, (__, k) =>
      Math.max(0, 1 - Math.abs((low + k - center + 0.5) / support)),
    );
    const sum = exact.reduce((a, b) => a + b, 0);
    return exact.map((weight, k) => [low + k, Math.trunc(0.5 + (weight / sum) * 2 ** 22)] as const);
  });
}

function resize(pixels: Uint8Array, width: number, height: number, toWidth: number, toHeight: number): Uint8Array {
  const round = (sum: number) => Math.floor((sum + 2 ** 21) / 2 ** 22);
  const wide = new Uint8Array(toWidth * height * 3);
  for (const [x, taps] of axis(width, toWidth).entries()) {
    for (let at = 0; at < height * 3; at++) {
      const [y, c] = [Math.floor(at / 3), at % 3];
      wide[(y * toWidth + x) * 3 + c] = round(
        taps.reduce((sum, [from, weight]) => sum + (pixels[(y * width + from) * 3 + c] ?? 0) * weight, 0),
      );
    }
  }
  const out = new Uint8Array(toWidth * toHeight * 3);
  for (const [y, taps] of axis(height, toHeight).entries()) {
    for (let at = 0; at < toWidth * 3; at++) {
      out[y * toWidth * 3 + at] = round(
        taps.reduce((sum, [from, weight]) => sum + (wide[from * toWidth * 3 + at] ?? 0) * weight, 0),
      );
    }
  }
  return out;
}

function cut(pixels: Uint8Array, width: number, left: number, top: number, size: number): Uint8Array {
  const rows = Array.from({ length: size }, (_, y) =>
    pixels.subarray(((top + y) * width + left) * 3, ((top + y) * width + left + size) * 3),
  );
  return Buffer.concat(rows);
}

/** Python's round(): halves to the even neighbour. */
function roundHalfEven(value: number): number {
  return value % 1 === 0.5 && Math.floor(value) % 2 === 0 ? Math.floor(value) : Math.round(value);
}

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
