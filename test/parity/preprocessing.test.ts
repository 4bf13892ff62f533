import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { CropOptions } from '../../src/native/contract/data.js';
import { native } from '../../src/native/load.js';
import { sharedRoot, temporaryDirectory } from '../support/paths.js';
import { Comparison, loadedModel, reference, skip } from './harness.js';
import { readTensors } from './safetensors.js';

/** Small first: it is what the weights that lie beside the project were trained for. */
const settings = [
  { size: 96, resize: 110 },
  { size: 224, resize: 256 },
];

interface Sample {
  readonly files: readonly string[];
  readonly weights: string | null;
}

/** Real photographs of every size and kind, where they lie beside the project. */
function sample(): Sample {
  const shared = sharedRoot();
  if (shared === null) return { files: [], weights: null };
  const under = (folder: string, every: number) =>
    readdirSync(join(shared, 'data', folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.jpg'))
      .sort()
      .filter((_, index) => index % every === 0)
      .map((name) => join(shared, 'data', folder, name));
  return {
    files: [...under('hymenoptera/val', 1), ...under('caltech-20', 8), ...under('hymenoptera/train', 4)],
    weights: join(shared, 'weights', 'resnet50-tiny-imagenet-64px.safetensors'),
  };
}

function loader(paths: readonly string[], crop: CropOptions, batchSize: number, epoch = 0) {
  const files = new (native().FileList)(paths, new Int32Array(paths.length));
  return new (native().Loader)({
    files,
    crop,
    batchSize,
    shuffle: false,
    mergeLastSingle: false,
    seed: 0,
    epoch,
    workers: 2,
    prefetch: 2,
    skipCorrupt: false,
    firstBatch: 0,
    views: 0,
    cache: null,
  });
}

function centre({ size, resize }: (typeof settings)[number]): CropOptions {
  return { kind: 'center', size, resize, scale: [1, 1], ratio: [1, 1], flip: 0 };
}

function meanDifference(a: Uint8Array, b: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs((a[i] ?? 0) - (b[i] ?? 0));
  return sum / a.length;
}

function bytes(file: string, name: string): Uint8Array {
  const values = readTensors(file).tensors.get(name)?.values;
  return values instanceof Uint8Array ? values : assert.fail(`${file} holds no bytes ${name}`);
}

describe('preprocessing', { skip }, () => {
  it("gives torchvision's pixels, and with them its predictions", async (t) => {
    const folder = await temporaryDirectory(t);
    const { files: given, weights } = sample();
    const job = { task: 'evaluate', files: given, settings, weights, classes: 202 };
    const answer = (await reference('preprocessing', folder, job)) as {
      files: readonly string[];
      top1?: readonly number[];
    };
    const { files } = answer;
    for (const setting of settings) {
      const made = new Comparison(
        `Pixels of ${files.length - given.length} made files at ${setting.size} px: worst mean absolute difference, of 255`,
        1,
      );
      const real = new Comparison(
        `Pixels of ${given.length} photographs at ${setting.size} px: worst mean absolute difference, of 255`,
        1,
      );
      const expected = bytes(join(folder, 'pixels.safetensors'), String(setting.size));
      const batches = loader(files, centre(setting), 16);
      const size = setting.size ** 2 * 3;
      let seen = 0;
      for (let batch = await batches.next('uint8'); batch !== null; batch = await batches.next('uint8')) {
        for (let i = 0; i < batch.count; i++, seen++) {
          const images = batch.images;
          assert.ok(images instanceof Uint8Array);
          const difference = meanDifference(
            images.subarray(i * size, (i + 1) * size),
            expected.subarray(seen * size, (seen + 1) * size),
          );
          const path = files[seen] ?? assert.fail();
          // A made file lies in a folder that has another name each time.
          const isGiven = given.includes(path);
          const name = path.split('/').slice(isGiven ? -2 : -1);
          (isGiven ? real : made).add(name.join('/'), difference);
        }
      }
      assert.equal(seen, files.length);
      made.settle();
      if (given.length > 0) real.settle();
    }
    if (weights === null || answer.top1 === undefined) {
      t.diagnostic('no weights beside the project: predictions were not compared');
      return;
    }
    const model = await loadedModel({ classes: 202, hidden: [] }, 'float32', weights);
    const first = settings[0] ?? assert.fail();
    const found = await model.evaluate({
      loader: loader(files, centre(first), 16),
      compute: 'dtype',
      maxBatches: files.length,
    });
    model.dispose();
    const other = answer.top1.filter((label, index) => found.predictions[index] !== label).length;
    const predictions = new Comparison(
      `Share of ${files.length} images with another top-1, trained weights, float32`,
      0.01,
    );
    predictions.add(`${other} of ${files.length} at ${first.size} px`, other / files.length);
    predictions.settle();
  });

  it("crops and resizes as torchvision's resized_crop does, at a place of RandomResizedCrop's", async (t) => {
    const folder = await temporaryDirectory(t);
    // Area and aspect ratio of the box, which fix its size: a narrow, a wide and a small one.
    const boxes = [
      [0.5, 0.75],
      [0.4, 4 / 3],
      [0.08, 1],
    ] as const;
    const { path } = (await reference('preprocessing', folder, {
      task: 'crops',
      width: 64,
      height: 48,
      size: 32,
      boxes,
    })) as { path: string };
    const comparison = new Comparison(
      'Random crops against the nearest resized_crop: mean absolute difference, of 255',
      1,
    );
    for (const [number, [scale, ratio]] of boxes.entries()) {
      const expected = bytes(join(folder, 'crops.safetensors'), String(number));
      const size = 32 * 32 * 3;
      for (let epoch = 0; epoch < 4; epoch++) {
        const crop = {
          kind: 'random',
          size: 32,
          resize: 32,
          scale: [scale, scale],
          ratio: [ratio, ratio],
          flip: 0,
        } as const;
        const batch = await loader([path], crop, 1, epoch).next('uint8');
        assert.ok(batch?.images instanceof Uint8Array);
        let nearest = Number.POSITIVE_INFINITY;
        for (let place = 0; place * size < expected.length; place++) {
          nearest = Math.min(
            nearest,
            meanDifference(batch.images, expected.subarray(place * size, (place + 1) * size)),
          );
        }
        comparison.add(`area ${scale}, ratio ${ratio.toFixed(2)}, epoch ${epoch}`, nearest);
      }
    }
    comparison.settle();
  });
});
