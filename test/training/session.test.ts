import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { groups } from '../../src/optim/groups.js';
import { optimizers } from '../../src/optim/optimizers.js';
import { schedules } from '../../src/optim/schedules.js';
import { TrainingSession } from '../../src/training/session.js';
import { train } from '../../src/training/train.js';
import { differences, tinyData, tinyModel, tinyOptions, weightsOf } from './support/tiny.js';

const shape = [4, 3, 32, 32] as const;
const images = Float32Array.from({ length: 4 * 3 * 32 * 32 }, (_, i) => Math.sin(i * 0.37));
const labels = Int32Array.from([0, 1, 2, 1]);

describe('a training session', () => {
  it('fed from batches() ends with the weights that train() ends with, dropout included', async (t) => {
    const data = await tinyData(t);
    const settings = { batchSize: 5, imageSize: 32, resize: 36, augment: 'standard', seed: 5 } as const;
    const head = { hidden: 8, dropout: 0.3 };
    using trained = await tinyModel({ head });
    const rate = 1e-3;
    await train(trained, data, {
      ...tinyOptions,
      ...settings,
      schedule: 'cosine',
      lr: rate,
      weightDecay: 0.01,
      optimizer: 'adamw',
    }).result;

    using own = await tinyModel({ head });
    own.freeze({ until: 'layer4.1' });
    const trainable = own.frozen?.plan.trainable ?? new Set<string>();
    const steps = 3;
    const schedule = schedules.cosine();
    using session = new TrainingSession(own, {
      groups: groups.uniform(own.units(), { lr: rate, weightDecay: 0.01, trainable }),
      optimizer: optimizers.adamW(),
      precision: 'fp32',
      seed: settings.seed,
    });
    let step = 0;
    for (let epoch = 0; epoch < 2; epoch++) {
      for await (const batch of data.batches({ ...settings, split: 'train', epoch, workers: 1, format: 'float32' })) {
        await session.step(batch, { rates: [rate * schedule(step++, 2 * steps)] });
      }
    }
    assert.equal(step, 2 * steps);
    assert.deepEqual(differences(await weightsOf(trained), await weightsOf(own)), []);
    assert.ok((await session.drift()).head > 0);
  });

  it('lowers the loss of a batch that it sees again and again, and counts its memory', async () => {
    using model = await tinyModel();
    model.freeze('backbone');
    using session = new TrainingSession(model, {
      groups: groups.uniform(model.units(), { lr: 1e-4, trainable: model.frozen?.plan.trainable ?? new Set() }),
      optimizer: 'adam',
    });
    const losses: number[] = [];
    for (let step = 0; step < 5; step++) losses.push((await session.step(images, labels, { shape })).loss);
    assert.ok((losses[4] ?? 0) < (losses[0] ?? 0));
    const { stateBytes, gradientBytes } = await session.memory();
    // Two moments of the head; counters of steps beside them. Frozen parameters hold nothing.
    assert.ok(stateBytes >= 2 * 4 * 3 * 2049 && stateBytes < 3 * 4 * 3 * 2049);
    assert.equal(gradientBytes, 0);
  });

  it('takes no gradient that is not finite, although the loss is', async () => {
    using model = await tinyModel({ head: { hidden: [1] } });
    // Of 3 and 0 and 0 logits whatever the features are, which are so large that the first layer's gradient overflows.
    await model.handle.write('layer4.2.bn3.weight', new Float32Array(2048).fill(1e20));
    await model.handle.write('fc.0.weight', new Float32Array(2048));
    await model.handle.write('fc.0.bias', Float32Array.of(1e-30));
    await model.handle.write('fc.3.weight', Float32Array.of(3e30, 0, 0));
    await model.handle.write('fc.3.bias', new Float32Array(3));
    const head = groups.uniform(model.units(), { lr: 1e-3, trainable: new Set(['fc.0.weight', 'fc.3.bias']) });
    using session = new TrainingSession(model, { groups: head, optimizer: 'adam', precision: 'fp32' });
    const { loss } = await session.gradients(images, labels, { shape });
    assert.ok(loss > 0 && loss < 10, String(loss));
    const before = await weightsOf(model);
    const refused = { code: 'ERR_NON_FINITE', message: /^A gradient is not finite/ };
    await assert.rejects(session.step(images, labels, { shape }), refused);
    const gradient = new Float32Array(2048).fill(1);
    gradient[2000] = Number.NaN;
    await assert.rejects(session.apply({ 'fc.0.weight': gradient }), {
      code: 'ERR_NON_FINITE',
      message: /^The gradient of fc\.0\.weight is not finite/,
    });
    assert.deepEqual(differences(before, await weightsOf(model)), []);
    await session.apply({ 'fc.3.bias': Float32Array.of(1, 2, 3) });
    assert.deepEqual(differences(before, await weightsOf(model)), ['fc.3.bias']);
  });

  it('refuses what does not fit, by name', async () => {
    using model = await tinyModel();
    const head = groups.uniform(model.units(), { lr: 1e-3 });
    const open = (options: object) => () => new TrainingSession(model, options as never);
    const invalid = (message: RegExp) => ({ code: 'ERR_INVALID_ARGUMENT', message });
    assert.throws(open({ groups: head, optimizer: 'adm' }), invalid(/Did you mean adam/));
    assert.throws(open({ groups: head, optimiser: 'adam' }), invalid(/Did you mean optimizer/));
    assert.throws(open({ groups: head, optimizer: 'adam', cudaGraph: 1 }), invalid(/cudaGraph/));
    assert.throws(
      open({ groups: head, optimizer: 'adam', cudaGraph: true }),
      invalid(/cudaGraph needs a CUDA device.*leave it out/),
    );
    assert.throws(open({ groups: [], optimizer: 'adam' }), invalid(/groups/));
    assert.throws(open({ groups: [{ ...head[0], lr: Number.NaN }], optimizer: 'adam' }), invalid(/groups\[0\]\.lr/));
    assert.throws(open({ groups: [...head, { ...head[0], name: 'b' }], optimizer: 'adam' }), invalid(/more than one/));
    using session = new TrainingSession(model, { groups: head, optimizer: 'adam' });
    assert.throws(open({ groups: head, optimizer: 'adam' }), { code: 'ERR_BUSY' });
    assert.throws(() => model.dispose(), { code: 'ERR_BUSY' });
    await assert.rejects(session.step(images, labels, { shape, rates: [1, 2] }), invalid(/1 rates/));
    await assert.rejects(session.step(images, Int32Array.of(0, 1, 2, 3), { shape }), invalid(/3|class/));
    await assert.rejects(
      session.step({ images: new Uint8Array(4 * 32 * 32 * 3), labels, shape: [4, 32, 32, 3] }),
      invalid(/float32/),
    );
    const pending = session.step(images, labels, { shape });
    assert.throws(() => session.dispose(), { code: 'ERR_BUSY' });
    await pending;
    session.dispose();
    await assert.rejects(session.step(images, labels, { shape }), { code: 'ERR_DISPOSED' });
  });
});
