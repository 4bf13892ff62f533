import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Floats, ModelDtype, NativeModel } from '../../src/native/contract/model.js';
import { native } from '../../src/native/load.js';
import { relativeError } from '../parity/compare.js';
import { digest, digestError, imageValues, labelValues, sizeOf, uniform, weightValues } from '../parity/recipe.js';
import { cases, fill, floats, golden, row } from './support/golden.js';

describe("PyTorch's figures for a hashed network", () => {
  const models = new Map<ModelDtype, NativeModel>();
  const modelOf = (dtype: ModelDtype): NativeModel => models.get(dtype) ?? assert.fail();

  before(async () => {
    // Tensors this small gain nothing from a second thread, and lose much where the cores are busy.
    native().setThreads(1);
    for (const dtype of ['float32', 'float64'] as const) {
      const { classes, hidden } = cases;
      const model = new (native().Model)({
        arch: 'resnet50',
        classes,
        hidden: hidden[dtype],
        dropout: 0,
        dtype,
        device: 'cpu',
        seed: 0,
      });
      await fill(model, dtype);
      models.set(dtype, model);
    }
  });
  after(() => {
    for (const model of models.values()) model.dispose();
  });

  for (const { name, dtype, shape, stream } of cases.forward) {
    it(`logits and features, ${name}, ${dtype}`, async () => {
      const images = floats(imageValues(shape, stream), dtype);
      for (const output of ['logits', 'features'] as const) {
        const actual = await modelOf(dtype).forward(images, shape, { output, compute: 'dtype' });
        const error = relativeError(actual, golden('forward').floats(`${name}/${dtype}/${output}`));
        assert.ok(error <= (dtype === 'float32' ? 1e-5 : 1e-12), `${output}: relative error ${error}`);
      }
    });
  }

  for (const c of cases.training) {
    it(`gradients and ${c.rates.length} steps of ${c.name} in three groups, float64`, async (t) => {
      const model = modelOf('float64');
      const images = imageValues(c.shape, c.stream);
      const labels = labelValues(c.shape[0], cases.classes, c.stream);
      const trainable = c.groups.flatMap((group) => group.parameters);
      const statistics = c.batchNormTraining.flatMap((norm) =>
        ['running_mean', 'running_var', 'num_batches_tracked'].map((buffer) => `${norm}.${buffer}`),
      );
      const moved = new Set([...trainable, ...statistics]);
      const session = new (native().Session)(model, { ...c, compute: 'dtype', seed: 0 });
      t.after(async () => {
        session.dispose();
        await fill(model, 'float64', (name) => moved.has(name));
      });

      const { gradients } = await session.gradients(images, c.shape, labels);
      // The running statistics of norms in training mode followed that batch.
      await fill(model, 'float64', (name) => statistics.includes(name));
      assert.deepEqual(Object.keys(gradients).sort(), [...trainable].sort());
      for (const [index, name] of trainable.entries()) {
        const expected = row(golden('training').floats(`${c.name}/gradients`), index);
        const error = digestError(digest(gradients[name] ?? []), expected);
        assert.ok(error <= 1e-8, `gradient of ${name}: relative error ${error}`);
      }

      for (const [step, rates] of c.rates.entries()) {
        const { loss } = await session.step(images, c.shape, labels, Float64Array.from(rates));
        const expected = golden('training').floats(`${c.name}/losses`)[step] ?? Number.NaN;
        assert.ok(Math.abs(loss - expected) <= 1e-6 * expected, `loss of step ${step}: ${loss}, expected ${expected}`);
      }
      for (const [index, name] of [...moved].entries()) {
        const expected = row(golden('training').floats(`${c.name}/weights`), index);
        const error = digestError(digest(await model.read(name)), expected);
        assert.ok(error <= 1e-8, `${name} after the last step: relative error ${error}`);
      }
      for (const [position, { name, shape }] of model.tensors().entries()) {
        if (moved.has(name) || sizeOf(shape) > 1e5) continue;
        assert.deepEqual(await model.read(name), weightValues(name, shape, position), `${name} is frozen, and moved`);
      }
    });
  }

  for (const c of cases.optimizers) {
    it(`${c.name} on recorded float32 gradients`, async (t) => {
      const model = modelOf('float32');
      const names = c.groups.flatMap((group) => group.parameters);
      const sizes = new Map(model.tensors().map(({ name, shape }) => [name, sizeOf(shape)]));
      const session = new (native().Session)(model, { ...c, batchNormTraining: [], compute: 'dtype', seed: 0 });
      t.after(async () => {
        session.dispose();
        await fill(model, 'float32', (name) => names.includes(name));
      });
      for (const [step, rates] of c.rates.entries()) {
        const bound = 0.5 ** Math.floor(step / 2);
        const gradients = names.map((name, position): [string, Floats] => {
          const values = uniform(sizes.get(name) ?? 0, 4000 + 10 * step + position, -bound, bound);
          return [name, Float32Array.from(values)];
        });
        const given = gradients.filter((_, position) => position !== 1 || step % 5 !== 4);
        await session.apply(Object.fromEntries(given), Float64Array.from(rates));
      }
      for (const name of names) {
        const error = relativeError(await model.read(name), golden('optimizers').floats(`${c.name}/${name}`));
        assert.ok(error <= 1e-6, `${name}: relative error ${error}`);
      }
    });
  }
});
