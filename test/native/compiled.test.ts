import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UNIT_NAMES } from '../../src/model/units.js';
import type { Floats, NativeModel } from '../../src/native/contract/model.js';
import { native } from '../../src/native/load.js';
import { randomiseNorms } from './support/networks.js';
import { distance, uniform } from './support/numbers.js';

native().setThreads(1);

const SHAPE = [2, 3, 64, 64] as const;
const IMAGES = uniform(2 * 3 * 64 * 64, 1);

async function network(dtype: 'float32' | 'float64' = 'float32'): Promise<NativeModel> {
  const model = new (native().Model)({
    arch: 'resnet50',
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

const BACKBONE = UNIT_NAMES.filter((unit) => unit !== 'head');

test('compiled units equal the eager ones at every cut: 1e-5 in float32', async (t) => {
  const model = await network();
  t.after(() => model.dispose());
  for (const output of [...BACKBONE, 'features', 'logits'] as const) {
    const eager = await model.forward(IMAGES, SHAPE, { output, compute: 'dtype', eager: true });
    const compiled = await model.forward(IMAGES, SHAPE, { output, compute: 'dtype' });
    assert.equal(compiled.length, eager.length);
    const off = distance(compiled, eager);
    assert.ok(off < 1e-5, `${output}: ${off}`);
  }
});

test('compiled units in bfloat16 are no further from float32 than eager bfloat16 is, at every cut', async (t) => {
  const model = await network();
  t.after(() => model.dispose());
  for (const output of [...BACKBONE, 'features'] as const) {
    const exact = await model.forward(IMAGES, SHAPE, { output, compute: 'dtype', eager: true });
    const from = async (eager: boolean): Promise<number> =>
      distance(await model.forward(IMAGES, SHAPE, { output, compute: 'bf16', eager }), exact);
    const [eager, compiled] = [await from(true), await from(false)];
    assert.ok(compiled <= eager, `${output}: compiled ${compiled}, eager ${eager}`);
  }
});

test('compiled units equal the eager ones in float64 to rounding', async (t) => {
  const model = await network('float64');
  t.after(() => model.dispose());
  for (const output of [...BACKBONE, 'logits'] as const) {
    const eager = await model.forward(IMAGES, SHAPE, { output, compute: 'dtype', eager: true });
    const off = distance(await model.forward(IMAGES, SHAPE, { output, compute: 'dtype' }), eager);
    assert.ok(off < 1e-13, `${output}: ${off}`);
  }
});

test('the compiled network follows a change of weights, and of the size of images', async (t) => {
  const model = await network();
  t.after(() => model.dispose());
  const check = async (images: Floats, shape: readonly [number, number, number, number]) => {
    const options = { output: 'logits', compute: 'dtype' } as const;
    const eager = await model.forward(images, shape, { ...options, eager: true });
    assert.ok(distance(await model.forward(images, shape, options), eager) < 1e-5);
    return eager;
  };
  const before = await check(IMAGES, SHAPE);
  await model.write('layer3.1.bn2.bias', new Float32Array(256).fill(0.5));
  assert.ok(distance(await check(IMAGES, SHAPE), before) > 1e-3);
  await check(uniform(3 * 33 * 47, 2), [1, 3, 33, 47]);
  await check(uniform(5 * 3 * 64 * 64, 3), [5, 3, 64, 64]);
});
