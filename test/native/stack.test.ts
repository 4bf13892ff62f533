import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type Dataset, openDataset } from '../../src/data/dataset.js';
import { evaluate } from '../../src/inference/evaluate.js';
import { Predictor } from '../../src/inference/predictor.js';
import { ResNet50 } from '../../src/model/resnet50.js';
import { calledFrom } from '../../src/native/call-site.js';
import { train } from '../../src/training/train.js';
import { writeFolders } from '../data/fixtures.js';
import { temporaryDirectory } from '../support/paths.js';

describe('the stack of a native failure names the function that called', () => {
  let folder = '';
  let model: ResNet50;
  let data: Dataset;
  const clean: (() => Promise<void>)[] = [];

  before(async () => {
    folder = await temporaryDirectory({ after: (end) => clean.push(end as () => Promise<void>) });
    await writeFolders(folder, { 'train/a': 4, 'train/b': 4, 'val/a': 1, 'val/b': 1 });
    data = await openDataset(folder);
    model = await ResNet50.create({ classes: ['a', 'b'], weights: 'none', device: 'cpu' });
    // Gone between the first look and the use.
    for (const file of ['train/a/2.jpg', 'val/a/0.jpg']) await rm(join(folder, file));
  });
  after(async () => {
    model.dispose();
    for (const end of clean) await end();
  });

  const nan = () => new Float32Array(3 * 32 * 32).fill(Number.NaN);
  const calls: Readonly<Record<string, () => Promise<unknown>>> = {
    'save()': async function theCaller() {
      await model.save('/no such folder/file.safetensors');
    },
    'forward()': async function theCaller() {
      await model.forward(nan(), [1, 3, 32, 32]);
    },
    'calls side by side': async function theCaller() {
      await Promise.all([model.forward(nan(), [1, 3, 32, 32]), model.features(nan(), [1, 3, 32, 32])]);
    },
    'a call that is awaited late': async function theCaller() {
      const asked = model.forward(nan(), [1, 3, 32, 32]);
      const settled = asked.catch(() => {});
      await settled;
      await asked;
    },
    'evaluate()': async function theCaller() {
      await evaluate(model, data);
    },
    'predict()': async function theCaller() {
      await model.save(join(folder, 'model.safetensors'));
      using predictor = await Predictor.load(join(folder, 'model.safetensors'));
      await predictor.predict(new Uint8Array(10));
    },
    'a run': async function theCaller() {
      await train(model, data, { epochs: 1, imageSize: 32, out: join(folder, 'run') }).result;
    },
    'the events of a run': async function theCaller() {
      for await (const _ of train(model, data, { epochs: 1, imageSize: 32, out: join(folder, 'events') }));
    },
  };
  for (const [name, call] of Object.entries(calls)) {
    it(name, async () => {
      await assert.rejects(call(), (error: Error) => {
        assert.match(error.stack ?? '', /at (async )?(Object\.)?theCaller /, error.stack);
        return true;
      });
    });
  }

  it('and once alone', () => {
    const error = new Error('no');
    const before = error.stack;
    assert.equal(calledFrom(error, { stack: `Error\n${before?.split('\n').slice(1).join('\n')}` }).stack, before);
    calledFrom(error, { stack: 'Error\n    at other (file.js:1:1)' });
    assert.equal(error.stack, `${before}\n    at other (file.js:1:1)`);
    assert.equal(calledFrom('text', { stack: 'Error\n    at x (y)' }), 'text');
  });
});
