import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Floats, NativeModel } from '../../src/native/contract/model.js';
import { native } from '../../src/native/load.js';
import { backboneOf, randomiseNorms } from './support/networks.js';
import { distance, uniform } from './support/numbers.js';
import { fill } from './support/sessions.js';

native().setThreads(1);

const SHAPE = [2, 3, 64, 64] as const;
const IMAGES = uniform(2 * 3 * 64 * 64, 1);

/** One of each kind of block, and one with convolutions in groups. */
const MEMBERS = ['resnet50', 'resnet18', 'resnext50_32x4d'] as const;

async function network(dtype: 'float32' | 'float64' = 'float32', arch = 'resnet50'): Promise<NativeModel> {
  const model = new (native().Model)({
    arch,
    classes: 5,
    hidden: [8],
    dropout: 0,
    dtype,
    device: 'cpu',
    seed: 3,
  });
  await randomiseNorms(model);
  return model;
}

for (const arch of MEMBERS)
  test(`compiled units of a ${arch} equal the eager ones at every cut: 1e-5 in float32`, async (t) => {
    const model = await network('float32', arch);
    t.after(() => model.dispose());
    for (const output of [...backboneOf(model), 'features', 'logits']) {
      const eager = await model.forward(IMAGES, SHAPE, { output, compute: 'dtype', eager: true });
      const compiled = await model.forward(IMAGES, SHAPE, { output, compute: 'dtype' });
      assert.equal(compiled.length, eager.length);
      const off = distance(compiled, eager);
      assert.ok(off < 1e-5, `${output}: ${off}`);
    }
  });

for (const arch of MEMBERS)
  test(`compiled units of a ${arch} in bfloat16 are no further from float32 than eager bfloat16 is, at every cut`, async (t) => {
    const model = await network('float32', arch);
    t.after(() => model.dispose());
    for (const output of [...backboneOf(model), 'features']) {
      const exact = await model.forward(IMAGES, SHAPE, { output, compute: 'dtype', eager: true });
      const from = async (eager: boolean): Promise<number> =>
        distance(await model.forward(IMAGES, SHAPE, { output, compute: 'bf16', eager }), exact);
      const [eager, compiled] = [await from(true), await from(false)];
      assert.ok(compiled <= eager, `${output}: compiled ${compiled}, eager ${eager}`);
    }
  });

for (const arch of MEMBERS)
  test(`compiled units of a ${arch} equal the eager ones in float64 to rounding`, async (t) => {
    const model = await network('float64', arch);
    t.after(() => model.dispose());
    for (const output of [...backboneOf(model), 'logits']) {
      const eager = await model.forward(IMAGES, SHAPE, { output, compute: 'dtype', eager: true });
      const off = distance(await model.forward(IMAGES, SHAPE, { output, compute: 'dtype' }), eager);
      assert.ok(off < 1e-13, `${output}: ${off}`);
    }
  });

for (const arch of MEMBERS)
  test(`the compiled network of a ${arch} follows a change of weights, and of the size of images`, async (t) => {
    const model = await network('float32', arch);
    t.after(() => model.dispose());
    const check = async (images: Floats, shape: readonly [number, number, number, number]) => {
      const options = { output: 'logits', compute: 'dtype' } as const;
      const eager = await model.forward(images, shape, { ...options, eager: true });
      assert.ok(distance(await model.forward(images, shape, options), eager) < 1e-5);
      return eager;
    };
    const before = await check(IMAGES, SHAPE);
    await fill(model, 'layer3.1.bn2.bias', 0.5);
    assert.ok(distance(await check(IMAGES, SHAPE), before) > 1e-3);
    await check(uniform(3 * 33 * 47, 2), [1, 3, 33, 47]);
    await check(uniform(5 * 3 * 64 * 64, 3), [5, 3, 64, 64]);
  });
