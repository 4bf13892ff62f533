import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openDataset } from '../../src/data/dataset.js';
import { ResNet50 } from '../../src/model/resnet50.js';
import type { EpochEvent, StepEvent, TrainingEvent } from '../../src/training/events.js';
import { train } from '../../src/training/train.js';
import { temporaryDirectory } from '../support/paths.js';
import {
  collect,
  differences,
  readEvents,
  tinyData,
  tinyFolder,
  tinyModel,
  tinyOptions,
  weightsOf,
} from './support/tiny.js';

describe('train', () => {
  it('tells what happens in order, and writes the run directory', async (t) => {
    const data = await tinyData(t);
    using model = await tinyModel();
    const out = join(await temporaryDirectory(t), 'runs', 'first');
    const run = train(model, data, { ...tinyOptions, out });
    const events = await collect(run);
    const result = await run.result;

    const kinds = events.map(({ type }) => type).join(' ');
    assert.match(kinds, /^start (step ){3}epoch (step ){3}epoch checkpoint checkpoint result$/);
    const [start] = events;
    assert.ok(start?.type === 'start');
    assert.deepEqual(start.images, { train: 12, val: 6 });
    assert.deepEqual([start.stepsPerEpoch, start.steps, start.resumedAt], [3, 6, null]);
    assert.equal(start.frozenPrefixUnits, 16);
    assert.deepEqual([start.precision, start.lossScale], ['fp32', null]);
    assert.equal(start.trainable, 4_462_592 + 3 * 2049);

    const steps = events.filter((event): event is StepEvent => event.type === 'step');
    assert.deepEqual(
      steps.map(({ epoch, step, images }) => [epoch, step, images]),
      [1, 2, 3, 4, 5, 6].map((step) => [step <= 3 ? 1 : 2, step, 4]),
    );
    assert.deepEqual(steps[0]?.lr, { all: 1e-3 });

    const epochs = events.filter((event): event is EpochEvent => event.type === 'epoch');
    for (const epoch of epochs) {
      const own = steps.filter((step) => step.epoch === epoch.epoch);
      const mean = own.reduce((sum, { loss, images }) => sum + loss * images, 0) / 12;
      assert.ok(Math.abs(epoch.train.loss - mean) < 1e-12);
      assert.equal(epoch.val.images, 6);
      assert.ok(epoch.seconds.waiting >= 0 && epoch.seconds.waiting <= epoch.seconds.train);
      assert.equal(epoch.val.top5, undefined);
      assert.equal(epoch.drift['layer4.1'], 0);
      assert.ok(epoch.drift['layer4.2'] > 0);
    }

    assert.equal(events.at(-1), result);
    assert.deepEqual([result.epochs, result.steps, result.out, result.skipped], [2, 6, out, 0]);
    const best = epochs.find(({ epoch }) => epoch === result.best.epoch);
    assert.deepEqual(result.best, { epoch: best?.epoch, top1: best?.val.top1, loss: best?.val.loss });

    assert.deepEqual(await readEvents(out), JSON.parse(JSON.stringify(events)));
    assert.deepEqual((await readdir(out)).sort(), ['best.safetensors', 'checkpoints', 'config.json', 'events.jsonl']);
    assert.deepEqual((await readdir(join(out, 'checkpoints'))).sort(), ['last.safetensors', 'last.state']);
    const config = JSON.parse(await readFile(join(out, 'config.json'), 'utf8'));
    assert.equal(config.settings.seed, 5);

    using loaded = await ResNet50.load(out);
    assert.deepEqual(loaded.classes, data.classes);
    assert.deepEqual(loaded.transform, {
      imageSize: 32,
      resize: 36,
      mean: [0.485, 0.456, 0.406],
      std: [0.229, 0.224, 0.225],
    });
    assert.equal(loaded.strategy, 'full');
  });

  it('gives equal weights for equal seeds, whatever the number of workers and whether anybody reads', async (t) => {
    const data = await tinyData(t);
    const runs = [{}, { workers: 1 }, { seed: 6 }].map(async (options, index) => {
      const model = await tinyModel();
      t.after(() => model.dispose());
      const run = train(model, data, { ...tinyOptions, epochs: 1, ...options });
      if (index === 1) await collect(run);
      const result = await run.result;
      assert.equal(result.out, null);
      return weightsOf(model);
    });
    // All three train at once: runs of one process do not disturb each other.
    const [one, two, other] = await Promise.all(runs);
    assert.ok(one && two && other);
    assert.deepEqual(differences(one, two), []);
    assert.ok(differences(one, other).includes('fc.weight'));
  });

  it('pauses between steps and goes on', async (t) => {
    const data = await tinyData(t);
    using model = await tinyModel();
    const run = train(model, data, { ...tinyOptions, freeze: 'backbone', epochs: 1 });
    run.pause();
    let ended = false;
    void run.result.then(() => {
      ended = true;
    });
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.equal(ended, false);
    run.resume();
    assert.equal((await run.result).steps, 3);
  });

  it('refuses a second training and disposal meanwhile', async (t) => {
    const data = await tinyData(t);
    using model = await tinyModel();
    const run = train(model, data, { ...tinyOptions, freeze: 'backbone', epochs: 1 });
    const busy = { name: 'ResnetTorchError', code: 'ERR_BUSY' };
    assert.throws(() => train(model, data, tinyOptions), busy);
    assert.throws(() => model.dispose(), busy);
    await run.result;
  });

  it('merges a last batch of one, and takes a batch larger than the data', async (t) => {
    const data = await tinyData(t, { train: 3, val: 1 });
    using model = await tinyModel();
    const sizes = async (batchSize: number) => {
      const run = train(model, data, { ...tinyOptions, freeze: 'backbone', epochs: 1, batchSize });
      return (await collect(run)).flatMap((event) => (event.type === 'step' ? [event.images] : []));
    };
    assert.deepEqual(await sizes(4), [4, 5]);
    assert.deepEqual(await sizes(100), [9]);
  });

  it('names the epoch, the step and the way out when the loss is lost', async (t) => {
    const data = await tinyData(t);
    using model = await tinyModel();
    const out = join(await temporaryDirectory(t), 'lost');
    const { warmupEpochs: _, ...options } = tinyOptions;
    const run = train(model, data, { ...options, optimizer: 'sgd', schedule: () => 1e30, out });
    const events: TrainingEvent[] = [];
    await assert.rejects(
      async () => {
        for await (const event of run) events.push(event);
      },
      { code: 'ERR_NON_FINITE', message: /^Epoch 1, .*steps? \d.*learning rate/s },
    );
    const last = events.at(-1);
    assert.ok(last?.type === 'error' && last.code === 'ERR_NON_FINITE');
    assert.deepEqual((await readEvents(out)).at(-1), last);
  });

  it('leaves out files that break while they are decoded, or stops with an error event', async (t) => {
    const folder = await tinyFolder(t);
    const data = await openDataset(folder);
    t.after(() => data.dispose());
    const broken = join(folder, 'train', 'class 1', 'train 2.jpg');
    await writeFile(broken, 'not an image any more');
    using model = await tinyModel();
    const options = { ...tinyOptions, freeze: 'backbone', epochs: 2 } as const;
    const events = await collect(train(model, data, { ...options, skipCorrupt: true }));
    const skipped = events.filter((event) => event.type === 'skipped');
    assert.deepEqual(
      skipped.map(({ split, path }) => [split, path]),
      [['train', broken]],
    );
    const result = events.at(-1);
    assert.ok(result?.type === 'result' && result.skipped === 1);
    const failing = train(model, data, options);
    await assert.rejects(failing.result, { code: 'ERR_IMAGE_DECODE', message: /train 2\.jpg/ });
  });
});
