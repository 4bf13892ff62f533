import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { NativeTransform } from '../../src/native/contract/data.js';
import { views, writeColour } from '../data/fixtures.js';
import { type Box, erasedBox, FILL } from '../native/data/erased-box.js';
import { temporaryDirectory } from '../support/paths.js';
import { Comparison, reference, skip } from './harness.js';
import { readTensors } from './safetensors.js';

const SIZE = 96;

/** Ends of the ranges that people use, the middle, and beyond what can be shown. */
const SETTINGS = [
  ...[0, 0.6, 1, 1.4, 3].map((factor) => ['brightness', factor] as const),
  ...[0, 0.6, 1.4, 3].map((factor) => ['contrast', factor] as const),
  ...[0, 0.37, 1.4, 3].map((factor) => ['saturation', factor] as const),
  ...[-0.5, -0.13, 0, 0.1, 0.31, 0.5].map((factor) => ['hue', factor] as const),
  ['grayscale', 1] as const,
];

function transformOf(name: (typeof SETTINGS)[number][0], factor: number): NativeTransform {
  if (name === 'grayscale') return { name, probability: 1 };
  const still = { brightness: [1, 1], contrast: [1, 1], saturation: [1, 1], hue: [0, 0] } as const;
  return { name: 'colorJitter', ...still, [name]: [factor, factor] };
}

function images(file: string): Uint8Array {
  const values = readTensors(file).tensors.get('images')?.values;
  return values instanceof Uint8Array ? values : assert.fail(`${file} holds no images`);
}

/** The largest and the mean difference of two views. */
function differences(a: Uint8Array, b: Uint8Array): { readonly most: number; readonly mean: number } {
  let sum = 0;
  let most = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs((a[i] ?? 0) - (b[i] ?? 0));
    sum += difference;
    most = Math.max(most, difference);
  }
  return { most, mean: sum / a.length };
}

/** The largest distance of two samples' distribution functions (Kolmogorov and Smirnov's). */
function distance(a: readonly number[], b: readonly number[]): number {
  const below = (values: readonly number[], x: number) => values.filter((value) => value <= x).length / values.length;
  return Math.max(...[...new Set([...a, ...b])].map((x) => Math.abs(below(a, x) - below(b, x))));
}

/** Where a black view was filled. */
function boxIn(view: Uint8Array, size: number): Box | null {
  let [left, top, right, bottom] = [size, size, -1, -1];
  for (let at = 0; at < size * size; at++) {
    if (view[at * 3] !== FILL[0]) continue;
    const [x, y] = [at % size, Math.floor(at / size)];
    [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)];
  }
  return right < 0 ? null : { left, top, width: right - left + 1, height: bottom - top + 1 };
}

describe('transforms of pixels', { skip }, () => {
  it("change colours as torchvision's functions of bytes do", async (t) => {
    const folder = await temporaryDirectory(t);
    const job = { task: 'colours', size: SIZE, settings: SETTINGS };
    const { path } = (await reference('transforms', folder, job)) as { path: string };
    const expected = images(join(folder, 'colours.safetensors'));
    const bytes = SIZE * SIZE * 3;
    const most = new Comparison("Colour jitter and grayscale against torchvision's: largest difference, of 255", 1);
    const mean = new Comparison('The same: mean absolute difference', 0.001);
    for (const [number, [name, factor]] of SETTINGS.entries()) {
      const [view] = await views([path], { crop: { size: SIZE }, transforms: [transformOf(name, factor)] });
      const found = differences(view ?? assert.fail(), expected.subarray(number * bytes, (number + 1) * bytes));
      most.add(`${name} ${factor}`, found.most);
      mean.add(`${name} ${factor}`, found.mean);
    }
    most.settle();
    mean.settle();
  });

  it("erase as torchvision's erase does, at the box of the address", async (t) => {
    const folder = await temporaryDirectory(t);
    const erasing = { probability: 1, scale: [0.02, 0.33], ratio: [0.3, 3.3] } as const;
    const boxes = Array.from({ length: 8 }, (_, index) => erasedBox(SIZE, erasing, { seed: 1, epoch: 0, index }));
    const job = { task: 'erased', size: SIZE, boxes };
    const { path } = (await reference('transforms', folder, job)) as { path: string };
    const expected = images(join(folder, 'erased.safetensors'));
    const transforms = [{ name: 'randomErasing', ...erasing }] as const;
    const seen = await views(
      boxes.map(() => path),
      { crop: { size: SIZE }, seed: 1, transforms },
    );
    const comparison = new Comparison("Random erasing against torchvision's erase: largest difference, of 255", 0);
    const bytes = SIZE * SIZE * 3;
    for (const [index, view] of seen.entries()) {
      const { most } = differences(view, expected.subarray(index * bytes, (index + 1) * bytes));
      comparison.add(`box ${index}`, most);
    }
    comparison.settle();
  });

  it("draw boxes that are distributed as RandomErasing's", async (t) => {
    const folder = await temporaryDirectory(t);
    const count = 2000;
    const job = { task: 'boxes', size: SIZE, count };
    const theirs = ((await reference('transforms', folder, job)) as { boxes: readonly Box[] }).boxes;
    const path = await writeColour(join(folder, 'black.png'), '#000', SIZE, SIZE);
    const paths = Array.from({ length: count / 10 }, () => path);
    const transforms = [{ name: 'randomErasing', probability: 1, scale: [0.02, 0.33], ratio: [0.3, 3.3] }] as const;
    const ours: Box[] = [];
    for (let epoch = 0; epoch < 10; epoch++) {
      const seen = await views(paths, { crop: { size: SIZE }, epoch, transforms });
      for (const view of seen) ours.push(boxIn(view, SIZE) ?? assert.fail());
    }
    // Of 2,000 and 2,000 draws of one distribution, one pair in ten thousand is further apart.
    const comparison = new Comparison(
      "Boxes of random erasing against torchvision's draws: distance of distributions",
      0.07,
    );
    const figures: Readonly<Record<string, (box: Box) => number>> = {
      area: ({ width, height }) => width * height,
      shape: ({ width, height }) => Math.log(height / width),
      left: ({ left, width }) => left / (SIZE - width),
      top: ({ top, height }) => top / (SIZE - height),
    };
    for (const [name, of] of Object.entries(figures)) comparison.add(name, distance(ours.map(of), theirs.map(of)));
    comparison.settle();
  });
});
