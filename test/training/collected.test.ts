import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { LabelledImage } from '../../src/data/collect.js';
import type { Dataset } from '../../src/data/dataset.js';
import { train } from '../../src/training/train.js';
import { temporaryDirectory } from '../support/paths.js';
import { differences, tinyData, tinyModel, tinyOptions, weightsOf } from './support/tiny.js';

/** A folder's images as they would come from a database. */
async function* rows(data: Dataset): AsyncGenerator<LabelledImage> {
  for (const split of ['train', 'val'] as const) {
    for (const { path, label } of data.split(split).files) {
      yield { image: await readFile(path), label: data.classes[label] ?? '', split, name: path };
    }
  }
}

test('a run on images from an iterable is the run on the folder, bit for bit', async (t) => {
  const data = await tinyData(t);
  const options = { ...tinyOptions, augment: 'standard', cache: 'memory', cacheViews: 1 } as const;
  using folder = await tinyModel();
  using iterable = await tinyModel();
  const expected = await train(folder, data, options).result;
  const found = await train(iterable, rows(data), options).result;
  assert.deepEqual(found.best, expected.best);
  assert.deepEqual(differences(await weightsOf(iterable), await weightsOf(folder)), []);
});

test('such a run is continued when the images are given again, and not with others', async (t) => {
  const data = await tinyData(t);
  const out = join(await temporaryDirectory(t), 'run');
  const controller = new AbortController();
  using model = await tinyModel();
  const run = train(model, rows(data), { ...tinyOptions, out, signal: controller.signal });
  run.result.catch(() => undefined);
  await assert.rejects(async () => {
    for await (const { type } of run) if (type === 'epoch') controller.abort();
  });
  using other = await tinyModel();
  const few = async function* () {
    let left = 12;
    for await (const row of rows(data)) if (left-- > 0) yield row;
  };
  await assert.rejects(train(other, few(), { out, resume: true }).result, { code: 'ERR_CHECKPOINT' });
  using again = await tinyModel();
  await train(again, rows(data), { out, resume: true }).result;
  using whole = await tinyModel();
  await train(whole, data, tinyOptions).result;
  assert.deepEqual(differences(await weightsOf(again), await weightsOf(whole)), []);
});

test('what is wrong with the images ends the run, and the model is free again', async () => {
  using model = await tinyModel();
  await assert.rejects(train(model, [], tinyOptions).result, { code: 'ERR_DATASET', message: /no images/ });
  const unknown = [{ image: Buffer.from('x'), label: 'a bird' }];
  await assert.rejects(train(model, unknown, tinyOptions).result, { code: 'ERR_DATASET', message: /a bird/ });
  const broken = async function* (): AsyncGenerator<LabelledImage> {
    yield* [];
    throw new RangeError('the store is down');
  };
  await assert.rejects(train(model, broken(), tinyOptions).result, RangeError);
  assert.throws(() => train(model, 7 as unknown as Dataset), { code: 'ERR_INVALID_ARGUMENT', message: /iterable/ });
});
