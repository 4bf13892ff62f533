import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Dataset, openDataset } from '../../src/data/dataset.js';
import { evaluate } from '../../src/inference/evaluate.js';
import { Predictor } from '../../src/inference/predictor.js';
import { ResNet50 } from '../../src/model/resnet50.js';
import { writeFolders, writeImage } from '../cli/support/images.js';

const view = { imageSize: 32, resize: 36, precision: 'fp32', workers: 1 } as const;
const input = { ...view, batchSize: 3 } as const;

let folder: string;
let checkpoint: string;
let data: Dataset;
let model: ResNet50;

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'resnet-torch-'));
  checkpoint = join(folder, 'model.safetensors');
  await writeFolders(join(folder, 'data'), { 'train/a': 3, 'train/b': 3, 'val/a': 4, 'val/b': 3 });
  data = await openDataset(join(folder, 'data'));
  // More classes than the data has, in another order: labels go by name.
  model = await ResNet50.create({ classes: ['z', 'b', 'y', 'a', 'x', 'w'], weights: 'none', device: 'cpu', seed: 3 });
  await model.save(checkpoint);
});

after(async () => {
  data.dispose();
  model.dispose();
  await rm(folder, { recursive: true, force: true });
});

/** Loss and correct answers from logits, image by image. */
async function byHand() {
  let images = 0;
  let lossSum = 0;
  let top1 = 0;
  let top5 = 0;
  for await (const batch of data.batches({
    split: 'val',
    imageSize: 32,
    resize: 36,
    batchSize: 7,
    format: 'float32',
  })) {
    const logits = await model.forward(batch.images, batch.shape);
    batch.labels.forEach((label, row) => {
      const scores = Array.from(logits.data.subarray(row * 6, (row + 1) * 6));
      const right = model.classes.indexOf(data.classes[label] ?? '');
      const own = scores[right] ?? Number.NaN;
      lossSum += Math.log(scores.reduce((sum, score) => sum + Math.exp(score - own), 0));
      const above = scores.filter((score) => score > own).length;
      images += 1;
      if (above === 0) top1 += 1;
      if (above < 5) top5 += 1;
    });
  }
  return { images, loss: lossSum / images, top1: top1 / images, top5: top5 / images };
}

describe('evaluate', () => {
  it('counts every image once, the last batch included, with labels matched by name', async () => {
    const result = await evaluate(model, data, input);
    const expected = await byHand();
    assert.equal(result.images, 7);
    assert.equal(result.split, 'val');
    assert.equal(result.top1, expected.top1);
    assert.equal(result.top5, expected.top5);
    assert.ok(Math.abs(result.loss - expected.loss) < 1e-5);
  });

  it('tells the share of each class that was right', async () => {
    const { perClass, top1, balancedAccuracy, images } = await evaluate(model, data, { ...input, split: 'all' });
    assert.deepEqual(
      perClass.map(({ name, images: count }) => [name, count]),
      [
        ['a', 7],
        ['b', 6],
      ],
    );
    const right = perClass.reduce((sum, row) => sum + row.recall * row.images, 0);
    assert.ok(Math.abs(right - top1 * images) < 1e-9);
    assert.equal(balancedAccuracy, perClass.reduce((sum, row) => sum + row.recall, 0) / perClass.length);
  });

  it('reports progress up to all images', async () => {
    const reports: (readonly [number, number])[] = [];
    await evaluate(model, data, { ...input, onProgress: (done, total) => reports.push([done, total]) });
    assert.deepEqual(reports[0], [0, 7]);
    assert.deepEqual(reports.at(-1), [7, 7]);
  });

  it('ends with the reason of its signal, and refuses what it does not know', async () => {
    const reason = new Error('enough');
    await assert.rejects(evaluate(model, data, { ...input, signal: AbortSignal.abort(reason) }), reason);
    const wrong = { batchsize: 3 } as unknown as typeof input;
    await assert.rejects(evaluate(model, data, wrong), {
      code: 'ERR_INVALID_ARGUMENT',
      message: /batchsize.*batchSize/,
    });
    await assert.rejects(evaluate(model, data, { ...input, imageSize: 8 }), {
      code: 'ERR_INVALID_ARGUMENT',
      message: /imageSize/,
    });
  });

  it('names the classes that a model does not know', async () => {
    using other = await ResNet50.create({ classes: ['a', 'c'], weights: 'none', device: 'cpu' });
    await assert.rejects(evaluate(other, data, input), { code: 'ERR_DATASET', message: /does not know: b/ });
  });
});

describe('Predictor', () => {
  it('labels images in the order asked for, likeliest first, as forward() has it', async () => {
    using predictor = await Predictor.load(checkpoint, { ...view, maxBatch: 3 });
    assert.deepEqual(predictor.classes, model.classes);
    const paths = data
      .split('val')
      .files.map(({ path }) => path)
      .reverse();
    const found = await predictor.predict(paths, { topK: 6 });
    assert.deepEqual(
      found.map(({ file }) => file),
      paths,
    );
    const pass = data.batches({ split: 'val', imageSize: 32, resize: 36, batchSize: 7, format: 'float32' });
    const { value: batch } = await pass.next();
    await pass.return();
    assert.ok(batch);
    const logits = await model.forward(batch.images, batch.shape);
    const exponentials = Array.from(logits.data.subarray(6 * 6), Math.exp);
    const sum = exponentials.reduce((a, b) => a + b, 0);
    for (const { index, label, probability } of found[0]?.predictions ?? []) {
      assert.equal(label, model.classes[index]);
      assert.ok(Math.abs(probability - (exponentials[index] ?? 0) / sum) < 1e-5);
    }
    const probabilities = found[0]?.predictions.map(({ probability }) => probability) ?? [];
    assert.deepEqual(
      probabilities,
      [...probabilities].sort((a, b) => b - a),
    );
  });

  it('takes one path, a folder, and several calls at once', async () => {
    using predictor = await Predictor.load(checkpoint, { ...view, maxBatch: 3 });
    const [one, many] = await Promise.all([
      predictor.predict(join(folder, 'data/val/a/photo 0.jpg')),
      predictor.predict([join(folder, 'data/val')], { topK: 1 }),
    ]);
    assert.equal(one.predictions.length, 5);
    assert.equal(many.length, 7);
  });

  it('leaves out what is broken only where it may', async () => {
    using predictor = await Predictor.load(checkpoint, { ...view, maxBatch: 3 });
    const broken = join(folder, 'broken.jpg');
    const good = join(folder, 'good.jpg');
    await writeFile(broken, 'no image');
    await writeImage(good, 0, 1);
    await assert.rejects(predictor.predict([broken, good]), { code: 'ERR_IMAGE_DECODE', message: /broken\.jpg/ });
    const left: string[] = [];
    const found = await predictor.predict([broken, good], { skipCorrupt: true, onSkipped: (path) => left.push(path) });
    assert.deepEqual(left, [broken]);
    assert.deepEqual(
      found.map(({ file }) => file),
      [good],
    );
  });

  it('says what is wrong with its options, its paths and its model', async () => {
    const predictor = await Predictor.load(checkpoint, { ...view, maxBatch: 3 });
    await assert.rejects(predictor.predict([folder], { topK: 7 }), {
      code: 'ERR_INVALID_ARGUMENT',
      message: /knows 6 classes/,
    });
    await assert.rejects(predictor.predict('/nowhere.jpg'), { code: 'ERR_DATASET', message: /nowhere\.jpg/ });
    predictor.dispose();
    predictor.dispose();
    await assert.rejects(predictor.predict(join(folder, 'good.jpg')), { code: 'ERR_DISPOSED' });
    await assert.rejects(Predictor.load('/nowhere'), { code: 'ERR_CHECKPOINT', message: /nowhere/ });
    await assert.rejects(Predictor.load(checkpoint, { classes: ['a'] }), { code: 'ERR_INVALID_ARGUMENT' });
  });
});
