import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openDataset } from '../../src/data/dataset.js';
import { evaluate } from '../../src/inference/evaluate.js';
import type { LossName, LossSpec } from '../../src/losses/registry.js';
import { ResNet50 } from '../../src/model/resnet50.js';
import { groups } from '../../src/optim/groups.js';
import { lossOfOptions } from '../../src/training/loss.js';
import { readClassWeights } from '../../src/training/option-readers.js';
import type { TrainOptions } from '../../src/training/options.js';
import { TrainingSession } from '../../src/training/session.js';
import type { RunSettings } from '../../src/training/settings.js';
import { train } from '../../src/training/train.js';
import { invalid } from '../support/invalid.js';
import { temporaryDirectory } from '../support/paths.js';
import { collect, differences, tinyData, tinyFolder, tinyModel, tinyOptions, weightsOf } from './support/tiny.js';

describe('the loss that options ask for', () => {
  it('is cross-entropy, unless they say otherwise', () => {
    assert.deepEqual(lossOfOptions({}), { name: 'cross-entropy', labelSmoothing: 0 });
    assert.deepEqual(lossOfOptions({ loss: 'focal' }), { name: 'focal', gamma: 2 });
  });

  it('has the parts replaced that options give one by one', () => {
    assert.deepEqual(lossOfOptions({ labelSmoothing: 0.1, classWeights: 'balanced' }), {
      name: 'cross-entropy',
      labelSmoothing: 0.1,
      classWeights: 'balanced',
    });
    const loss = { name: 'focal', gamma: 1, classWeights: { ants: 2 } } as const;
    assert.deepEqual(lossOfOptions({ loss, focalGamma: 3 }), { ...loss, gamma: 3 });
    assert.deepEqual(lossOfOptions({ loss, classWeights: { bees: 3 } }), { ...loss, classWeights: { bees: 3 } });
  });

  it('refuses a part that it does not have', () => {
    assert.throws(
      () => lossOfOptions({ focalGamma: 2 }),
      invalid('focalGamma is for the loss focal, and this is cross-entropy. Leave it out.'),
    );
    assert.throws(
      () => lossOfOptions({ loss: 'focal', labelSmoothing: 0.1 }),
      invalid('labelSmoothing is for the loss'),
    );
    assert.throws(() => lossOfOptions({ labelSmoothing: 2 }), invalid('labelSmoothing must be'));
    assert.throws(() => lossOfOptions({ classWeights: { ants: -1 } }), invalid('classWeights["ants"] must be'));
  });
});

describe('a run with a loss of its own', () => {
  it('counts classes by the images that it trains on, and evaluates by plain cross-entropy', async (t) => {
    const folder = await tinyFolder(t);
    for (const i of [0, 1]) await rm(join(folder, 'train', 'class 2', `train ${i}.jpg`));
    const data = await openDataset(folder);
    t.after(() => data.dispose());
    const out = join(await temporaryDirectory(t), 'run');
    const trained = async (options: TrainOptions) => {
      const model = await tinyModel();
      t.after(() => model.dispose());
      const events = await collect(train(model, data, { ...tinyOptions, labelSmoothing: 0.1, ...options }));
      const steps = events.flatMap((event) => (event.type === 'step' ? [event.loss] : []));
      const [epoch] = events.filter((event) => event.type === 'epoch').slice(-1);
      return { steps, val: epoch?.val.loss, weights: await weightsOf(model), model };
    };
    const balanced = await trained({ classWeights: 'balanced', out });
    // 4, 4 and 2 of 10 images.
    const named = await trained({ classWeights: { 'class 0': 10 / 12, 'class 2': 10 / 6, 'class 1': 10 / 12 } });
    assert.deepEqual(balanced.steps, named.steps);
    assert.deepEqual(differences(balanced.weights, named.weights), []);
    assert.notDeepEqual((await trained({})).steps, named.steps);
    const { loss } = await evaluate(balanced.model, data, { imageSize: 32, resize: 36, precision: 'fp32' });
    assert.ok(Math.abs(loss - (balanced.val ?? Number.NaN)) < 1e-6);

    const { settings } = JSON.parse(await readFile(join(out, 'config.json'), 'utf8')) as { settings: RunSettings };
    assert.deepEqual(settings.loss, { name: 'cross-entropy', labelSmoothing: 0.1, classWeights: 'balanced' });
  });

  it('goes on with it', async (t) => {
    const data = await tinyData(t);
    const folder = await temporaryDirectory(t);
    const options = {
      ...tinyOptions,
      loss: 'focal',
      focalGamma: 1,
      clipNorm: 0.5,
      classWeights: { 'class 1': 3 },
    } as const;
    using whole = await tinyModel();
    await train(whole, data, options).result;
    const stop = new AbortController();
    const out = join(folder, 'run');
    using first = await tinyModel();
    const run = train(first, data, { ...options, out, signal: stop.signal, onEpoch: () => stop.abort() });
    await assert.rejects(run.result, { name: 'AbortError' });
    using second = await ResNet50.load(join(out, 'checkpoints', 'last.safetensors'), { device: 'cpu' });
    await train(second, data, { out, resume: true }).result;
    assert.deepEqual(differences(await weightsOf(whole), await weightsOf(second)), []);
  });

  it('refuses weights of a class that there is not, before it begins', async (t) => {
    const data = await tinyData(t);
    using model = await tinyModel();
    const run = train(model, data, { ...tinyOptions, classWeights: { 'class 7': 2 } });
    await assert.rejects(run.result, { code: 'ERR_INVALID_ARGUMENT', message: /classWeights names "class 7"/ });
  });
});

describe('a session of steps with a loss of its own', () => {
  it('makes it small, with class weights by name', async () => {
    using model = await tinyModel();
    const head = groups.uniform(model.units(), { lr: 1e-3, trainable: new Set(['fc.bias']) });
    const lossWith = async (loss: LossName | LossSpec): Promise<number> => {
      using session = new TrainingSession(model, { groups: head, optimizer: 'sgd', precision: 'fp32', loss });
      const images = new Float32Array(2 * 3 * 32 * 32).map((_, i) => (i % 7) / 7);
      return (await session.gradients(images, Int32Array.of(0, 2), { shape: [2, 3, 32, 32] })).loss;
    };
    const plain = await lossWith('cross-entropy');
    assert.equal(await lossWith({ name: 'cross-entropy', classWeights: { 'class 1': 4 } }), plain);
    assert.notEqual(await lossWith({ name: 'cross-entropy', classWeights: { 'class 2': 4 } }), plain);
    assert.ok((await lossWith('focal')) < plain);
    const open = (loss: object) => () =>
      new TrainingSession(model, { groups: head, optimizer: 'sgd', loss: loss as LossSpec });
    assert.throws(open({ name: 'focal', classWeights: 'balanced' }), invalid('needs a data set'));
    assert.throws(
      () => new TrainingSession(model, { groups: head, optimizer: 'sgd', clipNorm: 0 }),
      invalid('clipNorm must be'),
    );
  });
});

describe('--class-weights', () => {
  it('reads balanced, or a file of weights by class name', async (t) => {
    const path = join(await temporaryDirectory(t), 'weights.json');
    assert.equal(readClassWeights('balanced'), 'balanced');
    await writeFile(path, '{ "ants": 1, "bees": 2.5 }');
    assert.deepEqual(readClassWeights(path), { ants: 1, bees: 2.5 });
    await writeFile(path, '{ "ants": "1" }');
    assert.throws(() => readClassWeights(path), /weights\.json\["ants"\] must be a finite number/);
    await writeFile(path, 'ants: 1');
    assert.throws(() => readClassWeights(path), /--class-weights takes balanced or a JSON file.*cannot be read as one/);
    assert.throws(() => readClassWeights('blanced'), /--class-weights takes balanced.*"blanced" cannot be read/);
  });
});
