import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openDataset } from '../../src/data/dataset.js';
import { evaluate } from '../../src/inference/evaluate.js';
import { ResNet50 } from '../../src/model/resnet50.js';
import { ChunkSizer } from '../../src/training/chunks.js';
import { EpochLoop } from '../../src/training/epoch-loop.js';
import type { EpochEvent, StepEvent, TrainingEvent } from '../../src/training/events.js';
import type { TrainOptions } from '../../src/training/options.js';
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
    // By this clock no time passes, and no checkpoint is due before the end.
    t.mock.method(performance, 'now', () => 0);
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
      assert.ok((epoch.drift['layer4.2'] ?? 0) > 0);
    }

    assert.equal(events.at(-1), result);
    assert.deepEqual([result.epochs, result.steps, result.out, result.skipped], [2, 6, out, 0]);
    const best = epochs.find(({ epoch }) => epoch === result.best.epoch);
    const { images: _, ...figures } = best?.val ?? { images: 0 };
    assert.deepEqual(result.best, { epoch: best?.epoch, ...figures });

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

  it('weighs each batch by its own images, where the last one is smaller', async (t) => {
    const folder = await tinyFolder(t);
    for (const label of [0, 1]) await rm(join(folder, 'train', `class ${label}`, 'train 3.jpg'));
    const data = await openDataset(folder);
    t.after(() => data.dispose());
    using model = await tinyModel();
    // All of them in one chunk, however slow the machine is.
    t.mock.method(ChunkSizer.prototype, 'next', (left: number) => left);
    const events = await collect(train(model, data, { ...tinyOptions, augment: 'none', epochs: 1 }));
    const steps = events.filter((event): event is StepEvent => event.type === 'step');
    assert.deepEqual(
      steps.map(({ images }) => images),
      [4, 4, 2],
    );
    const epoch = events.find((event): event is EpochEvent => event.type === 'epoch');
    assert.equal(epoch?.train.images, 10);
    const sum = (figure: (step: StepEvent) => number) => steps.reduce((all, step) => all + figure(step), 0);
    assert.ok(Math.abs(epoch.train.loss - sum(({ loss, images }) => loss * images) / 10) < 1e-12);
    assert.ok(Math.abs(epoch.train.top1 - sum(({ accuracy, images }) => accuracy * images) / 10) < 1e-12);
  });

  it('validates on images as they are, whatever is done to those that it trains on', async (t) => {
    const data = await tinyData(t);
    using model = await tinyModel();
    const options = { ...tinyOptions, augment: 'standard', randomErasing: 1, epochs: 1 } as const;
    const events = await collect(train(model, data, options));
    const epoch = events.find((event): event is EpochEvent => event.type === 'epoch');
    const { imageSize, resize, batchSize, precision } = tinyOptions;
    const {
      perClass: _,
      split: __,
      ...figures
    } = await evaluate(model, data, { imageSize, resize, batchSize, precision });
    assert.deepEqual(epoch?.val, figures);
  });

  it('trains on what the parts of the augmentation make of images', async (t) => {
    const data = await tinyData(t);
    const firstLoss = async (parts: TrainOptions) => {
      using model = await tinyModel();
      const events = await collect(train(model, data, { ...tinyOptions, augment: 'none', epochs: 1, ...parts }));
      return events.find((event): event is StepEvent => event.type === 'step')?.loss;
    };
    const each = [{}, { verticalFlip: 1 }, { colorJitter: 0.9 }, { grayscale: 1 }, { randomErasing: 1 }];
    const crops = [
      { augment: 'standard', cropScale: [0.2, 0.3] },
      { augment: 'standard', cropScale: [0.2, 0.3], cropRatio: [2, 2] },
    ] as const;
    const found = [];
    for (const parts of [...each, ...crops]) found.push(await firstLoss(parts));
    assert.equal(new Set(found).size, found.length, found.join(', '));
    assert.equal(await firstLoss({ randomErasing: 0, verticalFlip: 0 }), found[0]);
  });

  it('gives equal files for equal runs', async (t) => {
    const data = await tinyData(t);
    const folder = await temporaryDirectory(t);
    const hashes = [];
    for (const name of ['one', 'other']) {
      using model = await tinyModel();
      const out = join(folder, name);
      await train(model, data, { ...tinyOptions, out }).result;
      const files = ['best.safetensors', 'checkpoints/last.safetensors'];
      hashes.push(
        await Promise.all(
          files.map(async (file) =>
            createHash('sha256')
              .update(await readFile(join(out, file)))
              .digest('hex'),
          ),
        ),
      );
    }
    assert.deepEqual(hashes[0], hashes[1]);
  });

  it('has the notes of the data set in its first event and its config, not those of nothing', async (t) => {
    const folder = await tinyFolder(t);
    await writeFile(join(folder, 'train', 'class 0', 'list.txt'), '');
    const data = await openDataset(folder);
    t.after(() => data.dispose());
    using model = await tinyModel();
    const out = join(await temporaryDirectory(t), 'run');
    const options = { ...tinyOptions, freeze: 'backbone', epochs: 1 } as const;
    const [start] = await collect(train(model, data, { ...options, out }));
    assert.ok(start?.type === 'start');
    assert.deepEqual(
      start.notes.map(({ code }) => code),
      ['files-not-read'],
    );
    assert.match(start.notes[0]?.message ?? '', /list\.txt/);
    assert.deepEqual(JSON.parse(await readFile(join(out, 'config.json'), 'utf8')).notes, start.notes);
    const clean = await collect(train(model, await tinyData(t), options));
    assert.ok(clean[0]?.type === 'start' && clean[0].notes.length === 0);
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

  for (const [before, saved] of [
    [0, /No epoch before it is saved/],
    [1, /The best epoch before it, 1, is in .*best\.safetensors/],
  ] as const) {
    it(`fails where a validation loss is not finite, after ${before} good epochs`, async (t) => {
      const data = await tinyData(t);
      using model = await tinyModel();
      const { evaluate: evaluateOf } = EpochLoop.prototype;
      let evaluated = 0;
      t.mock.method(EpochLoop.prototype, 'evaluate', async function (this: EpochLoop) {
        const done = await evaluateOf.call(this);
        if (done === null || evaluated++ < before) return done;
        // With all of them told rightly, a comparison by top-1 alone would call it the best.
        const counts = { ...done.counts, top1: done.counts.images, lossSum: Number.NaN };
        return { counts, scores: done.scores };
      });
      const out = join(await temporaryDirectory(t), 'lost');
      const run = train(model, data, { ...tinyOptions, freeze: 'backbone', cache: 'off', epochs: 3, out });
      const message = new RegExp(`^Epoch ${before + 1}, validation: the loss is NaN.*${saved.source}.*--lr`, 's');
      await assert.rejects(run.result, { code: 'ERR_NON_FINITE', message });
      const events = await readEvents(out);
      assert.equal(events.filter(({ type }) => type === 'epoch').length, before);
      assert.equal(events.at(-1)?.type, 'error');
      assert.equal((await readdir(out)).includes('best.safetensors'), before > 0);
    });
  }

  it('keeps the best epoch by the metric that is asked for', async (t) => {
    const data = await tinyData(t);
    // Of 10 images: the first epoch has the most right, the second the lowest loss, the third the most of the rare class.
    const epochs = [
      { top1: 8, lossSum: 9, classes: [8, 0] },
      { top1: 5, lossSum: 4, classes: [4, 1] },
      { top1: 6, lossSum: 8, classes: [4, 2] },
    ].map(({ classes, ...sums }) => {
      const counts = classes.map((correct, label) => ({ images: label === 0 ? 8 : 2, correct, predicted: 5 }));
      return { images: 10, top5: 10, outputs: 3, ...sums, classes: counts, strays: [], imagesOfOutputs: [8, 2, 0] };
    });
    for (const [bestMetric, expected] of [
      [undefined, 1],
      ['top1', 1],
      ['loss', 2],
      ['balanced-accuracy', 3],
      ['recall-macro', 3],
    ] as const) {
      let evaluated = 0;
      const { mock } = t.mock.method(EpochLoop.prototype, 'evaluate', async () => ({ counts: epochs[evaluated++] }));
      using model = await tinyModel();
      const options = { ...tinyOptions, freeze: 'backbone', cache: 'off', epochs: 3 } as const;
      const events = await collect(train(model, data, { ...options, ...(bestMetric && { bestMetric }) }));
      const [start, result] = [events[0], events.at(-1)];
      assert.ok(start?.type === 'start' && result?.type === 'result');
      assert.deepEqual([start.bestMetric, result.best.epoch], [bestMetric ?? 'top1', expected]);
      mock.restore();
    }
    using model = await tinyModel();
    const options = { ...tinyOptions, bestMetric: 'top5' } as const;
    assert.throws(() => train(model, data, options), { code: 'ERR_INVALID_ARGUMENT', message: /top5.*3 classes/ });
  });

  it('chooses the best epoch by probabilities, which are those of evaluate()', async (t) => {
    const data = await tinyData(t);
    const { evaluate: evaluateOf } = EpochLoop.prototype;
    const scored: number[] = [];
    t.mock.method(EpochLoop.prototype, 'evaluate', async function (this: EpochLoop) {
      const done = await evaluateOf.call(this);
      scored.push(done?.scores.parts.reduce((sum, { labels }) => sum + labels.length, 0) ?? -1);
      return done;
    });
    for (const bestMetric of ['roc-auc', 'top2', 'f1-macro'] as const) {
      using model = await tinyModel();
      const events = await collect(train(model, data, { ...tinyOptions, epochs: 1, bestMetric }));
      const [epoch, result] = [events.find(({ type }) => type === 'epoch'), events.at(-1)];
      assert.ok(epoch?.type === 'epoch' && result?.type === 'result');
      const { imageSize, resize, batchSize, precision } = tinyOptions;
      const input = { imageSize, resize, batchSize, precision };
      const { perClass: _, split: __, ...figures } = await evaluate(model, data, { ...input, metrics: [bestMetric] });
      assert.deepEqual(epoch.val, figures);
      const { images: ___, ...kept } = figures;
      assert.deepEqual(result.best, { epoch: 1, ...kept });
    }
    assert.deepEqual(scored, [6, 6, 0], 'probabilities are computed where they are needed, and nowhere else');
  });

  for (const kept of ['memory', 'the run directory']) {
    it(`ends by patience, with the best weights, from ${kept}`, async (t) => {
      const data = await tinyData(t);
      using model = await tinyModel();
      const { evaluate: evaluateOf } = EpochLoop.prototype;
      const losses = [2, 1, 3, 4, 0.5];
      const weights: Awaited<ReturnType<typeof weightsOf>>[] = [];
      t.mock.method(EpochLoop.prototype, 'evaluate', async function (this: EpochLoop) {
        const done = await evaluateOf.call(this);
        weights.push(await weightsOf(model));
        if (done === null) return done;
        const counts = { ...done.counts, lossSum: (losses[weights.length - 1] ?? 0) * done.counts.images };
        return { counts, scores: done.scores };
      });
      const out = kept === 'memory' ? {} : { out: join(await temporaryDirectory(t), 'run') };
      const options = { ...tinyOptions, ...out, epochs: 9, bestMetric: 'loss', patience: 2 } as const;
      const events = await collect(train(model, data, options));
      const [start, result] = [events[0], events.at(-1)];
      assert.ok(start?.type === 'start' && result?.type === 'result');
      assert.deepEqual([start.patience, result.epochs, result.stopped], [2, 4, true]);
      assert.deepEqual([result.best.epoch, result.last.epoch], [2, 4]);
      const ended = await weightsOf(model);
      assert.deepEqual(
        weights.map((each) => differences(each, ended).length > 0),
        [true, false, true, true],
      );
    });
  }

  it('refuses before training what the best epoch cannot be chosen by', async (t) => {
    const folder = await tinyFolder(t);
    await rm(join(folder, 'val', 'class 1'), { recursive: true });
    using data = await openDataset(folder);
    using model = await tinyModel();
    const run = train(model, data, { ...tinyOptions, bestMetric: 'average-precision' });
    const message = /--best-metric.*average-precision.*no image of class 1/;
    await assert.rejects(run.result, { code: 'ERR_INVALID_ARGUMENT', message });
    const unknown = { ...tinyOptions, bestMetric: 'f1' } as unknown as typeof tinyOptions;
    assert.throws(() => train(model, data, unknown), { code: 'ERR_INVALID_ARGUMENT', message: /f1-macro\?/ });
    assert.throws(() => train(model, data, { ...tinyOptions, patience: 0 }), { message: /patience/ });
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
