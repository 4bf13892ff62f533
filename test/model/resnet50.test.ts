import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ResNet50 } from '../../src/model/resnet50.js';
import { native } from '../../src/native/load.js';
import { temporaryDirectory } from '../support/paths.js';

const shape = [2, 3, 32, 40] as const;
const images = Float32Array.from({ length: 2 * 3 * 32 * 40 }, (_, i) => Math.sin(i * 0.37));

function random(classes: number | readonly string[] = 3, options: object = {}): Promise<ResNet50> {
  native().setThreads(1);
  return ResNet50.create({ classes, weights: 'none', device: 'cpu', ...options });
}

describe('a ResNet50', () => {
  it('answers logits and features of the stated shapes, in either dtype', async () => {
    using model = await random();
    const logits = await model.forward(images, shape);
    assert.deepEqual(logits.shape, [2, 3]);
    assert.ok(logits.data instanceof Float32Array);
    assert.deepEqual((await model.features(images, shape)).shape, [2, 2048]);
    using wide = await random(3, { dtype: 'float64' });
    const exact = (await wide.forward(images, shape)).data;
    assert.ok(exact instanceof Float64Array);
    exact.forEach((value, i) => {
      assert.ok(Math.abs(value - (logits.data[i] ?? 0)) < 1e-4);
    });
    await assert.rejects(wide.forward(images, shape, { precision: 'bf16' }), { code: 'ERR_INVALID_ARGUMENT' });
    await assert.rejects(model.forward(images, [2, 3, 32, 41]), { code: 'ERR_SHAPE_MISMATCH' });
    await assert.rejects(model.forward(images, shape, { signal: AbortSignal.abort() }), { name: 'AbortError' });
  });

  it('is saved and loaded with its classes, head and metadata', async (t) => {
    const path = join(await temporaryDirectory(t), 'model.safetensors');
    using model = await random(['ants', 'bees'], { head: { hidden: 16, dropout: 0.25 }, seed: 3 });
    const transform = { imageSize: 64, resize: 72, mean: [0, 0, 0], std: [1, 1, 1] } as const;
    await model.save(path, { transform, strategy: 'mine', extra: { note: 'a' } });
    using loaded = await ResNet50.load(path, { device: 'cpu' });
    assert.deepEqual(loaded.classes, ['ants', 'bees']);
    assert.deepEqual(loaded.head, { classes: 2, hidden: [16], dropout: 0.25 });
    assert.deepEqual([loaded.transform, loaded.strategy], [transform, 'mine']);
    assert.deepEqual(loaded.preprocessing, { resize: 72, crop: 64 });
    assert.deepEqual((await loaded.forward(images, shape)).data, (await model.forward(images, shape)).data);
    await assert.rejects(ResNet50.load(path, { classes: ['a', 'b'] }), { message: /class names of its own/ });

    // As starting weights, all but the head go into a model with another.
    using tuned = await ResNet50.create({ classes: 5, weights: path, device: 'cpu' });
    assert.match(tuned.notes.map(({ message }) => message).join(' '), /head was not loaded.*fc\.3\.weight/);
    assert.deepEqual((await tuned.features(images, shape)).data, (await model.features(images, shape)).data);
    assert.equal(tuned.weights, path);
  });

  it('names classes that are a number by their indices', async () => {
    using model = await random(3);
    assert.deepEqual(model.classes, ['0', '1', '2']);
    assert.equal(model.classesAreNamed, false);
    using named = await random(['0', '1']);
    assert.equal(named.classesAreNamed, true);
  });

  it('has 18 units, and keeps what it is told to freeze', async () => {
    using model = await random();
    assert.equal(model.units().length, 18);
    const { frozen: before } = model;
    assert.equal(before, null);
    assert.equal(model.freeze({ until: 'layer2' }, { batchNorm: 'eval' }), model);
    assert.equal(model.frozen?.batchNorm, 'eval');
    assert.equal(model.frozen.plan.frozenPrefixUnits, 8);
    assert.deepEqual(model.frozen.plan.batchNormTraining, []);
    assert.throws(() => model.freeze({ until: 'layer9' }), { code: 'ERR_INVALID_ARGUMENT' });
  });

  it('is refused by name for what cannot be', async (t) => {
    const invalid = { code: 'ERR_INVALID_ARGUMENT' };
    await assert.rejects(random(0), invalid);
    await assert.rejects(random([]), invalid);
    await assert.rejects(random(['a', 'a']), { message: /"a" twice/ });
    await assert.rejects(random(2, { device: 'gpu' }), { code: 'ERR_INVALID_ARGUMENT', message: /cuda:N/ });
    await assert.rejects(random(2, { dtype: 'float16' }), invalid);
    await assert.rejects(random(2, { weight: 'none' }), { message: /Did you mean weights/ });
    if (native().info().cudaDevices === 0) {
      await assert.rejects(random(2, { device: 'cuda' }), { code: 'ERR_CUDA_UNAVAILABLE', message: /'cpu'/ });
    }
    const folder = await temporaryDirectory(t);
    await assert.rejects(ResNet50.load(folder), { code: 'ERR_CHECKPOINT', message: /best\.safetensors/ });
    await assert.rejects(ResNet50.load(join(folder, 'none')), { code: 'ERR_CHECKPOINT' });
    await writeFile(join(folder, 'page.pth'), '<html>');
    await assert.rejects(ResNet50.load(join(folder, 'page.pth')), { code: 'ERR_WEIGHTS_FORMAT' });
  });

  it('is refused after disposal, which may come twice', async () => {
    const model = await random();
    model.dispose();
    model.dispose();
    await assert.rejects(model.forward(images, shape), { code: 'ERR_DISPOSED' });
    await assert.rejects(model.save('x'), { code: 'ERR_DISPOSED' });
  });
});
