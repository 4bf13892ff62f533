import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { evaluate } from '../../src/inference/evaluate.js';
import { Predictor } from '../../src/inference/predictor.js';
import { groups } from '../../src/optim/groups.js';
import { TrainingSession } from '../../src/training/session.js';
import { train } from '../../src/training/train.js';
import { temporaryDirectory } from '../support/paths.js';
import { tinyData, tinyModel, tinyOptions } from '../training/support/tiny.js';

const disposed = { name: 'ResnetTorchError', code: 'ERR_DISPOSED' };
const busy = { name: 'ResnetTorchError', code: 'ERR_BUSY' };
const shape = [4, 3, 32, 32] as const;
const images = Float32Array.from({ length: 4 * 3 * 32 * 32 }, (_, i) => Math.sin(i * 0.37));
const labels = Int32Array.of(0, 1, 2, 1);
/** An image a batch, so that a pass takes several calls of native code. */
const input = { imageSize: 32, batchSize: 1, workers: 1 } as const;

describe('disposing while work runs', () => {
  it('of a model lets calls that are under way end as they would have, and refuses others', async (t) => {
    const data = await tinyData(t);
    const model = await tinyModel();
    const logits = await model.forward(images, shape);
    const measured = await evaluate(model, data, input);
    const path = join(await temporaryDirectory(t), 'model.safetensors');

    const under = [model.forward(images, shape), model.features(images, shape)] as const;
    const evaluation = evaluate(model, data, input);
    const saved = model.save(path);
    model.dispose();
    model.dispose();
    const refused = [model.forward(images, shape), model.save(path), evaluate(model, data, input)] as const;
    await Promise.all(refused.map((call) => assert.rejects(call, disposed)));
    assert.throws(() => train(model, data, tinyOptions), disposed);
    assert.throws(
      () => new TrainingSession(model, { groups: groups.uniform(model.units(), { lr: 1e-3 }), optimizer: 'sgd' }),
      disposed,
    );
    assert.deepEqual(await under[0], logits);
    assert.equal((await under[1]).data.length, 4 * 2048);
    assert.deepEqual(await evaluation, measured);
    await saved;
    await assert.rejects(model.forward(images, shape), disposed);
  });

  it('of a model that is trained is refused until its run is over, or was aborted', async (t) => {
    const data = await tinyData(t);
    const model = await tinyModel();
    const controller = new AbortController();
    const run = train(model, data, { ...tinyOptions, epochs: 1000, signal: controller.signal });
    for await (const event of run) {
      assert.throws(() => model.dispose(), busy);
      if (event.type === 'step') break;
    }
    controller.abort();
    await assert.rejects(run.result, { name: 'AbortError' });
    model.dispose();
  });

  it('of a predictor lets predictions that are under way end as they would have', async (t) => {
    const data = await tinyData(t);
    const checkpoint = join(await temporaryDirectory(t), 'model.safetensors');
    using model = await tinyModel();
    await model.save(checkpoint);
    const predictor = await Predictor.load(checkpoint, { imageSize: 32, workers: 1, maxBatch: 1, device: 'cpu' });
    const paths = data.split('val').files.map(({ path }) => path);
    const expected = await predictor.predict(paths);
    const under = predictor.predict(paths);
    // The call has read its files when it begins to compute.
    const begun = new Promise<void>((resolve) => {
      void predictor.predict(paths, { onProgress: (done) => done > 0 && resolve() }).catch(() => resolve());
    });
    await begun;
    predictor.dispose();
    predictor.dispose();
    assert.deepEqual(await under, expected);
    await assert.rejects(predictor.predict(paths), disposed);
  });

  it('of a data set lets runs, passes and evaluations that are under way go on', async (t) => {
    const data = await tinyData(t);
    using model = await tinyModel();
    using measured = await tinyModel();
    const run = train(model, data, tinyOptions);
    for await (const event of run) if (event.type === 'start') break;
    const evaluation = evaluate(measured, data, input);
    let seen = 0;
    for await (const batch of data.batches({ batchSize: 4, imageSize: 32, workers: 1 })) {
      if (seen === 0) data.dispose();
      seen += batch.shape[0];
    }
    assert.equal(seen, 12);
    assert.equal((await run.result).steps, 6);
    assert.equal((await evaluation).images, 6);
    data.dispose();
    await assert.rejects(async () => {
      for await (const _ of data.batches({ imageSize: 32 })) assert.fail();
    }, disposed);
    await assert.rejects(evaluate(measured, data, input), disposed);
    assert.throws(() => train(model, data, tinyOptions), disposed);
  });

  it('of a training session is refused while a call is under way', async () => {
    using model = await tinyModel();
    model.freeze('backbone');
    const trainable = model.frozen?.plan.trainable ?? new Set<string>();
    const session = new TrainingSession(model, {
      groups: groups.uniform(model.units(), { lr: 1e-3, trainable }),
      optimizer: 'adam',
    });
    const gradients = session.gradients(images, labels, { shape });
    assert.throws(() => session.dispose(), busy);
    assert.throws(() => model.dispose(), busy);
    await session.apply((await gradients).gradients);
    session.dispose();
    session.dispose();
    for (const call of [
      () => session.step(images, labels, { shape }),
      () => session.gradients(images, labels, { shape }),
      () => session.apply({}),
      () => session.drift(),
      () => session.memory(),
    ]) {
      await assert.rejects(call, disposed);
    }
    assert.equal((await model.forward(images, shape)).shape[0], 4);
  });
});
