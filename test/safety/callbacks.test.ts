import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openDataset } from '../../src/data/dataset.js';
import { evaluate } from '../../src/inference/evaluate.js';
import { Predictor } from '../../src/inference/predictor.js';
import { train } from '../../src/training/train.js';
import { temporaryDirectory } from '../support/paths.js';
import { collect, tinyData, tinyFolder, tinyModel, tinyOptions } from '../training/support/tiny.js';

const quick = { ...tinyOptions, freeze: 'backbone' } as const;
const thrown = new RangeError('on purpose');
const isThrown = (error: unknown): boolean => error === thrown;

function fail(): never {
  throw thrown;
}

describe('a throw in code of the caller', () => {
  it('in the body of an iteration over events reaches the caller, and the run goes on', async (t) => {
    const data = await tinyData(t);
    using model = await tinyModel();
    const run = train(model, data, quick);
    await assert.rejects(async () => {
      for await (const event of run) if (event.type === 'step') fail();
    }, isThrown);
    const rest = await collect(run);
    assert.equal(rest.at(-1)?.type, 'result');
    assert.equal((await run.result).steps, 6);
    assert.equal(rest.filter(({ type }) => type === 'step').length, 5, 'the event that was at hand is read');
  });

  it('in a schedule fails the run with it', async (t) => {
    const data = await tinyData(t);
    using model = await tinyModel();
    const { warmupEpochs: _, ...options } = quick;
    const schedule = (step: number): number => (step < 4 ? 1 : fail());
    await assert.rejects(train(model, data, { ...options, schedule }).result, isThrown);
    await train(model, data, { ...quick, epochs: 1 }).result;
  });

  it('in reports of opening, evaluating and predicting rejects the call, and the next one works', async (t) => {
    const folder = await tinyFolder(t);
    await assert.rejects(openDataset(folder, { onProgress: fail }), isThrown);
    const last = (done: number, total: number): void => {
      if (done === total) fail();
    };
    await assert.rejects(openDataset(folder, { onProgress: last }), isThrown);
    using data = await openDataset(folder);

    using model = await tinyModel();
    const input = { imageSize: 32, batchSize: 1, workers: 1 } as const;
    await assert.rejects(evaluate(model, data, { ...input, onProgress: fail }), isThrown);
    await assert.rejects(evaluate(model, data, { ...input, onProgress: last }), isThrown);
    assert.equal((await evaluate(model, data, input)).images, 6);

    const checkpoint = join(await temporaryDirectory(t), 'model.safetensors');
    await model.save(checkpoint);
    using predictor = await Predictor.load(checkpoint, { imageSize: 32, workers: 1, device: 'cpu' });
    const paths = data.split('val').files.map(({ path }) => path);
    await assert.rejects(predictor.predict(paths, { onProgress: last }), isThrown);
    const broken = paths[0] ?? '';
    await writeFile(broken, 'no image');
    await assert.rejects(predictor.predict(paths, { skipCorrupt: true, onSkipped: fail }), isThrown);
    await assert.rejects(evaluate(model, data, { ...input, skipCorrupt: true, onSkipped: fail }), isThrown);
    assert.equal((await predictor.predict(paths, { skipCorrupt: true })).length, 5);
  });
});
