import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { exportModel } from '../../src/export/export.js';
import { ResNet50 } from '../../src/model/resnet50.js';
import { openWeights } from '../../src/model/weights/index.js';
import { distance } from '../native/support/numbers.js';
import { fails } from '../support/fails.js';
import { temporaryDirectory } from '../support/paths.js';
import { differences, weightsOf } from '../training/support/tiny.js';
import { busyModel, CLASSES, drawnImages } from './support/models.js';

/** Of logits, relative in L2: float16 keeps 11 bits, and 53 layers round each their own way. */
const FP16_TOLERANCE = 5e-3;
const shape = [4, 3, 48, 48] as const;

describe('export as safetensors', () => {
  it('is a checkpoint in float32', async (t) => {
    const model = await busyModel(t, [24], { dtype: 'float64' });
    const out = join(await temporaryDirectory(t), 'model.safetensors');
    await exportModel(model, { format: 'safetensors', out });
    const table = await openWeights(out);
    assert.equal(table.tensors.get('conv1.weight')?.dtype, 'F32');
    assert.equal(table.tensors.get('bn1.num_batches_tracked')?.dtype, 'I64');
    using again = await ResNet50.load(out, { device: 'cpu' });
    assert.deepEqual(again.classes, CLASSES);
    assert.deepEqual(again.head, { classes: 3, hidden: [24], dropout: 0.2 });
    const narrow = new Map([...(await weightsOf(model))].map(([name, values]) => [name, Float32Array.from(values)]));
    assert.deepEqual(differences(await weightsOf(again), narrow), []);
  });

  it('in float16 takes half, says so, and predicts nearly the same', async (t) => {
    const model = await busyModel(t);
    const folder = await temporaryDirectory(t);
    const out = join(folder, 'model.fp16.safetensors');
    const half = await exportModel(model, { format: 'fp16', out });
    const whole = await exportModel(model, { format: 'safetensors', out: join(folder, 'model.safetensors') });
    assert.ok(half.bytes < 0.51 * whole.bytes, `${half.bytes} of ${whole.bytes}`);
    const table = await openWeights(out);
    assert.equal(table.metadata.dtype, 'float16');
    assert.equal(table.tensors.get('conv1.weight')?.dtype, 'F16');
    assert.equal(table.tensors.get('bn1.num_batches_tracked')?.dtype, 'I64');
    using again = await ResNet50.load(out, { device: 'cpu' });
    assert.deepEqual(again.classes, CLASSES);
    const images = drawnImages(shape);
    const [one, other] = [await model.forward(images, shape), await again.forward(images, shape)];
    const apart = distance(other.data, one.data);
    assert.ok(apart > 0 && apart < FP16_TOLERANCE, `${apart}`);
  });

  it('in float16 names a weight that has no finite value there, and writes nothing', async (t) => {
    const model = await busyModel(t);
    const folder = await temporaryDirectory(t);
    await model.handle.write('fc.bias', Float32Array.of(0, 70_000, 0));
    const out = join(folder, 'model.safetensors');
    await assert.rejects(exportModel(model, { format: 'fp16', out }), fails('ERR_NON_FINITE', /^fc\.bias .*65504/));
    assert.deepEqual(await readdir(folder), []);
    await exportModel(model, { format: 'safetensors', out });
    assert.ok(existsSync(out));
  });
});
