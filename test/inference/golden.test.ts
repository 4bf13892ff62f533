import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import sharp from 'sharp';
import { evaluate, openDataset, Predictor, ResNet50 } from '../../src/index.js';
import { fill } from '../model/support/golden.js';
import { digest, digestError, PICTURE, pictureBytes } from '../parity/recipe.js';
import { fixtures } from '../support/paths.js';

// What PyTorch, torchvision and Pillow make of pictures and weights that an integer hash gives; test/parity/golden.py
// wrote it. Nothing of the package has a part in it.
interface Golden {
  readonly crop: number;
  /** Of each picture, by class. */
  readonly probabilities: readonly (readonly number[])[];
  readonly features: readonly (readonly number[])[];
}
const golden = JSON.parse(readFileSync(join(fixtures, 'golden', 'predictions.json'), 'utf8')) as Golden;

const classes = ['c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6'];
const view = { imageSize: golden.crop, resize: PICTURE.height, precision: 'fp32', workers: 1 } as const;

/** Where the pictures lie: one that is told rightly, one at the fifth place, one before it, and one at the last. */
const places = ['val/c5/0.png', 'val/c1/1.png', 'val/c6/2.png', 'val/c1/3.png'] as const;

let folder: string;
let checkpoint: string;
let model: ResNet50;
let files: readonly string[];

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'resnet-torch-'));
  checkpoint = join(folder, 'model.safetensors');
  model = await ResNet50.create({ classes, weights: 'none', device: 'cpu' });
  await fill(model.handle, 'float32');
  await model.save(checkpoint);
  files = await Promise.all(
    places.map(async (place, stream) => {
      for (const path of [join(folder, 'data', place), join(folder, 'data', place.replace('val', 'train'))]) {
        await mkdir(join(path, '..'), { recursive: true });
        await sharp(pictureBytes(stream), { raw: { ...PICTURE, channels: 3 } })
          .png()
          .toFile(path);
      }
      return join(folder, 'data', place);
    }),
  );
});

after(async () => {
  model.dispose();
  await rm(folder, { recursive: true, force: true });
});

describe("PyTorch's figures for pictures in files", () => {
  it('are what a predictor says, by class and by picture', async () => {
    using predictor = await Predictor.load(checkpoint, view);
    const found = await predictor.predict(files, { topK: classes.length, features: true });
    for (const [picture, { predictions, features }] of found.entries()) {
      const expected = golden.probabilities[picture] ?? [];
      const ranked = [...expected.keys()].sort((a, b) => (expected[b] ?? 0) - (expected[a] ?? 0));
      assert.deepEqual(
        predictions.map(({ index }) => index),
        ranked,
      );
      for (const { index, label, probability } of predictions) {
        assert.equal(label, classes[index]);
        assert.ok(Math.abs(probability - (expected[index] ?? Number.NaN)) < 1e-5, `${picture}, ${label}`);
      }
      const error = digestError(digest(features), golden.features[picture] ?? []);
      assert.ok(error < 1e-5, `features of ${picture}: relative error ${error}`);
    }
  });

  it('are what the evaluation adds up, the fifth place among the five', async () => {
    const data = await openDataset(join(folder, 'data'));
    const result = await evaluate(model, data, { ...view, batchSize: 3 });
    const loss = places.reduce((sum, place, picture) => {
      const label = classes.indexOf(place.split('/')[1] ?? '');
      return sum - Math.log(golden.probabilities[picture]?.[label] ?? Number.NaN) / places.length;
    }, 0);
    assert.ok(Math.abs(result.loss - loss) < 1e-4, `${result.loss}, expected ${loss}`);
    assert.equal(result.images, 4);
    assert.equal(result.top1, 1 / 4);
    assert.equal(result.top5, 3 / 4);
    assert.deepEqual(
      result.perClass.map(({ name, images, recall }) => [name, images, recall]),
      [
        ['c1', 2, 0],
        ['c5', 1, 1],
        ['c6', 1, 0],
      ],
    );
    data.dispose();
  });
});
