import assert from 'node:assert/strict';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext, test } from 'node:test';
import { openLoader } from '../../src/data/loader.js';
import { openWeights } from '../../src/model/weights/index.js';
import type { NativeModel } from '../../src/native/contract/model.js';
import type { NativePredictor } from '../../src/native/contract/predictor.js';
import type { NativeSessionOptions } from '../../src/native/contract/session.js';
import { native } from '../../src/native/load.js';
import { writeColour } from '../data/fixtures.js';
import { fails } from '../support/fails.js';
import { temporaryDirectory } from '../support/paths.js';
import { uniform } from './support/numbers.js';
import { differing, fill, newModel, newSession, normsOf, parametersOf, valuesOf } from './support/sessions.js';

const SHAPE = [2, 3, 64, 64] as const;
const IMAGES = Float32Array.from(uniform(2 * 3 * 64 * 64, 1));
const LABELS = Int32Array.of(0, 1);
const RATES = Float64Array.of(1e-3);
const LOGITS = { output: 'logits', compute: 'dtype' } as const;
const CROP = { kind: 'center', size: 64, resize: 64, scale: [0.08, 1], ratio: [3 / 4, 4 / 3], flip: 0 } as const;
/** Finite, and too large to be added up. */
const HUGE = 3e38;

/** A stored model with one value of one tensor written over. */
async function spoiled(
  t: TestContext,
  name: string,
  bytes: Uint8Array,
  dtype?: 'float16' | 'float64',
): Promise<string> {
  const path = join(await temporaryDirectory(t), 'spoiled.safetensors');
  const model = newModel(dtype === 'float64' ? { dtype } : {});
  await model.save(path, {}, dtype === 'float16' ? dtype : undefined);
  model.dispose();
  const place = (await openWeights(path)).tensors.get(name) ?? assert.fail(name);
  const file = await open(path, 'r+');
  await file.write(bytes, 0, bytes.length, place.offset + bytes.length);
  await file.close();
  return path;
}

const float32 = (value: number): Uint8Array => new Uint8Array(Float32Array.of(value).buffer);

describe('weights that are not finite are refused, by their names', () => {
  for (const [what, name, bytes, says, dtype] of [
    [
      'NaN in a convolution',
      'layer1.0.conv1.weight',
      float32(NaN),
      /1 value that is not finite, of 4096 \(the first, NaN, at \[0, 1, 0, 0\]/,
    ],
    [
      'Infinity in the head',
      'fc.weight',
      float32(Infinity),
      /1 value that is not finite, of 4096 \(the first, Infinity, at \[0, 1\]/,
    ],
    ['NaN in a variance', 'layer2.0.bn1.running_var', float32(NaN), /1 value that is not finite, of 128/],
    [
      'a negative variance',
      'layer2.0.bn1.running_var',
      float32(-5),
      /1 value below zero, of 128 \(the first, -5\.0+, at \[1\]/,
    ],
    [
      'Infinity in float16',
      'conv1.weight',
      Uint8Array.of(0, 0xfc),
      /1 value that is not finite, of 9408 \(the first, -Infinity/,
      'float16',
    ],
    [
      'a float64 beyond float32',
      'fc.bias',
      new Uint8Array(Float64Array.of(1e300).buffer),
      /1 value that is not finite, of 2/,
      'float64',
    ],
  ] as const) {
    it(what, async (t) => {
      const path = await spoiled(t, name, bytes, dtype);
      const model = newModel({ seed: 9 });
      t.after(() => model.dispose());
      const before = await model.read(name);
      const load = model.load(path, [...(await openWeights(path)).tensors.values()]);
      await assert.rejects(load, fails('ERR_WEIGHTS_FORMAT', says));
      await assert.rejects(load, (error: Error) => error.message.includes(`${path}: ${name} has`));
      assert.deepEqual(await model.read(name), before);
    });
  }

  it('however many tensors it is about', async (t) => {
    const path = join(await temporaryDirectory(t), 'many.safetensors');
    const model = newModel({ dtype: 'float64' });
    await fill(model, 'bn1.weight', 1e200);
    await fill(model, 'fc.bias', -1e200);
    await model.save(path, {});
    const narrow = newModel();
    await assert.rejects(
      narrow.load(path, [...(await openWeights(path)).tensors.values()]),
      fails('ERR_WEIGHTS_FORMAT', /bn1\.weight has 64 values that are not finite, of 64 .*So have fc\.bias\. /),
    );
    model.dispose();
    narrow.dispose();
  });

  it('and in what is written', async () => {
    const model = newModel();
    await assert.rejects(fill(model, 'fc.bias', NaN), fails('ERR_WEIGHTS_FORMAT', /fc\.bias has 2 values/));
    await assert.rejects(
      fill(model, 'bn1.running_var', -1),
      fails('ERR_WEIGHTS_FORMAT', /bn1\.running_var has 64 values below/),
    );
    await fill(model, 'bn1.num_batches_tracked', 7);
    await fill(model, 'bn1.running_var', 0);
    model.dispose();
  });
});

describe('inputs that are not finite are refused, by their image', () => {
  const spoil = (value: number): Float32Array => {
    const images = IMAGES.slice();
    images[3 * 64 * 64 + 17] = value;
    return images;
  };

  for (const value of [NaN, Infinity, -Infinity]) {
    it(`${value} in forward()`, async () => {
      const model = newModel();
      for (const output of ['logits', 'features', 'layer1.0'] as const)
        for (const eager of [false, true]) {
          const asked = model.forward(spoil(value), SHAPE, { ...LOGITS, output, eager });
          await assert.rejects(
            asked,
            fails('ERR_NON_FINITE', /images has values that are not finite: 1 in image 1, of 0 to 1/),
          );
        }
      model.dispose();
    });
  }

  it('float64 beyond the float32 of the model', async () => {
    const model = newModel();
    const images = Float64Array.from(IMAGES);
    images[5] = 1e300;
    await assert.rejects(model.forward(images, SHAPE, LOGITS), fails('ERR_NON_FINITE', /1 in image 0/));
    model.dispose();
  });

  for (const frozen of [true, false]) {
    it(`in steps and gradients, ${frozen ? 'before frozen units' : 'of the whole network'}`, async () => {
      const model = newModel();
      const session = newSession(model, frozen ? ['fc.weight', 'fc.bias'] : parametersOf(model), {
        batchNormTraining: frozen ? [] : normsOf(model),
      });
      const before = await valuesOf(model);
      await assert.rejects(session.step(spoil(NaN), SHAPE, LABELS, RATES), fails('ERR_NON_FINITE', /1 in image 1/));
      await assert.rejects(session.gradients(spoil(NaN), SHAPE, LABELS), fails('ERR_NON_FINITE', /1 in image 1/));
      assert.deepEqual(differing(before, await valuesOf(model)), []);
      session.dispose();
      model.dispose();
    });
  }
});

/** Files of a dark and of a bright picture, and a predictor and a loader for them. */
async function pictures(t: TestContext, model: NativeModel) {
  const folder = await temporaryDirectory(t);
  const paths = [
    await writeColour(join(folder, 'dark.png'), '#7c746a'),
    await writeColour(join(folder, 'bright.png'), '#ffd000'),
  ];
  const files = new (native().FileList)(paths, LABELS);
  const loader = () => openLoader({ files, crop: CROP, batchSize: 2, epoch: 0, seed: 1, training: false });
  const predictor = new (native().Predictor)(model, {
    compute: 'dtype',
    crop: CROP,
    workers: 1,
    maxBatch: 2,
    maxDelayMs: 60_000,
    maxPixels: 1e6,
  });
  t.after(() => {
    predictor.dispose();
    files.dispose();
  });
  return { paths, loader, predictor };
}

const predict = (predictor: NativePredictor, name: string) =>
  predictor.predict(name, { name, topK: 2, features: true });

/** The sums of layer3.1's last convolution are too large. */
async function overflowIn(model: NativeModel): Promise<void> {
  await fill(model, 'layer3.1.bn2.bias', HUGE);
  await fill(model, 'layer3.1.conv3.weight', 1);
}

describe('answers that are not finite are none', () => {
  it('of a head whose values are too large: logits, evaluation and prediction', async (t) => {
    const model = newModel();
    t.after(() => model.dispose());
    await fill(model, 'fc.weight', HUGE);
    for (const eager of [false, true])
      await assert.rejects(
        model.forward(IMAGES, SHAPE, { ...LOGITS, eager }),
        fails(
          'ERR_NON_FINITE',
          /^The logits of image 0 are not finite: the first values that are not come from head\./,
        ),
      );
    await model.forward(IMAGES, SHAPE, { ...LOGITS, output: 'features' });
    const { paths, loader, predictor } = await pictures(t, model);
    await assert.rejects(
      model.evaluate({ loader: loader(), compute: 'dtype', maxBatches: 9 }),
      fails('ERR_NON_FINITE', /^The logits of .*dark\.png are not finite: .* come from head\./),
    );
    const answers = await Promise.allSettled(paths.map((path) => predict(predictor, path)));
    for (const [i, answer] of answers.entries()) {
      assert.ok(answer.status === 'rejected');
      const words = new RegExp(`^The logits of .*${i === 0 ? 'dark' : 'bright'}\\.png are not finite`);
      assert.ok(fails('ERR_NON_FINITE', words)(answer.reason));
    }
    assert.equal(predictor.stats().waiting, 0);
  });

  it('of a unit, which the message names', async () => {
    const model = newModel();
    await overflowIn(model);
    for (const output of ['logits', 'features', 'layer3.1'] as const)
      await assert.rejects(
        model.forward(IMAGES, SHAPE, { ...LOGITS, output }),
        fails('ERR_NON_FINITE', /of image 0 are not finite: the first values that are not come from layer3\.1\./),
      );
    await model.forward(IMAGES, SHAPE, { ...LOGITS, output: 'layer3.0' });
    model.dispose();
  });

  it('of a convolution that is not finite with its BatchNorm', async () => {
    const model = newModel();
    await fill(model, 'layer2.1.bn3.weight', HUGE);
    await fill(model, 'layer2.1.bn3.running_var', 0);
    await assert.rejects(
      model.forward(IMAGES, SHAPE, LOGITS),
      fails('ERR_NON_FINITE', /^The weights of layer2\.1\.conv3 with those of its BatchNorm are not finite/),
    );
    model.dispose();
  });

  it('of one image, while the others of its batch are answered', async (t) => {
    const model = newModel();
    t.after(() => model.dispose());
    const { paths, predictor } = await pictures(t, model);
    const before = await Promise.all(paths.map((path) => predict(predictor, path)));
    // The picture of the larger features overflows, and the other does not.
    const sizes = before.map(({ features }) => Math.hypot(...(features ?? [])));
    const [low, high] = [Math.min(...sizes), Math.max(...sizes)];
    assert.ok(high > 1.2 * low, `${sizes}`);
    const large = sizes.indexOf(high);
    const along = before[large]?.features ?? assert.fail();
    const share = before[1 - large]?.features ?? assert.fail();
    const product = (a: ArrayLike<number>, b: ArrayLike<number>) =>
      Array.from(a).reduce((sum, v, i) => sum + v * (b[i] ?? 0), 0);
    const middle = Math.sqrt(product(along, along) * product(along, share));
    const row = Float64Array.from(along, (value) => (value / middle) * 3.4e38);
    await model.write(
      'fc.weight',
      Float64Array.from({ length: 4096 }, (_, i) => row[i % 2048] ?? 0),
    );
    const [first, second] = await Promise.allSettled(paths.map((path) => predict(predictor, path)));
    const [broken, good] = large === 0 ? [first, second] : [second, first];
    assert.ok(broken?.status === 'rejected' && fails('ERR_NON_FINITE', /are not finite/)(broken.reason));
    assert.ok(good?.status === 'fulfilled' && [...good.value.probabilities].every(Number.isFinite));
  });

  it('of frozen units, before anything trains on it', async (t) => {
    const model = newModel();
    t.after(() => model.dispose());
    await overflowIn(model);
    const { loader } = await pictures(t, model);
    const session = newSession(model, ['fc.weight', 'fc.bias']);
    const before = await valuesOf(model);
    await assert.rejects(
      session.run({ loader: loader(), rates: RATES }),
      fails('ERR_NON_FINITE', /^What the frozen units make of .*dark\.png is not finite/),
    );
    await assert.rejects(
      session.step(IMAGES, SHAPE, LABELS, RATES),
      fails('ERR_NON_FINITE', /frozen units make of image 0/),
    );
    assert.deepEqual(differing(before, await valuesOf(model)), []);
    session.dispose();
  });
});

describe('a step that does not hold leaves the model as it was, its statistics too', () => {
  const sessions: Readonly<Record<string, Partial<NativeSessionOptions>>> = {
    'written out': {},
    'by autograd': { autograd: true },
  };
  const faults: Readonly<Record<string, { spoil(model: NativeModel): Promise<void>; message: RegExp }>> = {
    'the loss': {
      spoil: (model) => fill(model, 'fc.weight', HUGE),
      message: /^The training loss is not finite/,
    },
    'a gradient': {
      // The hidden unit is 1e-30 whatever the features are, and the loss that of small logits; behind the steep head the
      // first layer's gradient is of 3e30 times features of 1e20.
      async spoil(model) {
        await fill(model, 'layer4.2.bn3.weight', 1e20);
        await fill(model, 'fc.0.weight', 0);
        await fill(model, 'fc.0.bias', 1e-30);
        await model.write('fc.3.weight', Float32Array.of(3e30, 0));
        await fill(model, 'fc.3.bias', 0);
      },
      message: /^A gradient is not finite/,
    },
  };
  for (const [name, options] of Object.entries(sessions)) {
    for (const [what, { spoil, message }] of Object.entries(faults)) {
      it(`${name}: ${what}`, async () => {
        const model = newModel(what === 'a gradient' ? { hidden: [1] } : {});
        await spoil(model);
        const session = newSession(model, parametersOf(model), { ...options, batchNormTraining: normsOf(model) });
        const before = await valuesOf(model);
        await assert.rejects(session.step(IMAGES, SHAPE, LABELS, RATES), fails('ERR_NON_FINITE', message));
        assert.deepEqual(differing(before, await valuesOf(model)), []);
        session.dispose();
        model.dispose();
      });
    }
  }

  test('statistics that are not finite are told of by their BatchNorm', async () => {
    const model = newModel();
    await fill(model, 'layer1.1.conv1.weight', HUGE);
    const session = newSession(model, parametersOf(model), { batchNormTraining: normsOf(model) });
    const before = await valuesOf(model);
    await assert.rejects(
      session.step(IMAGES, SHAPE, LABELS, RATES),
      fails('ERR_NON_FINITE', /^What layer1\.1\.bn1 is given is not finite/),
    );
    assert.deepEqual(differing(before, await valuesOf(model)), []);
    session.dispose();
    model.dispose();
  });

  test('not the last gradient alone', async () => {
    const model = newModel({ hidden: [1] });
    await faults['a gradient']?.spoil(model);
    // The last to be found is that of the backbone, which the first layer of the head multiplies by 0.
    const session = newSession(model, ['fc.0.weight', 'layer4.2.bn3.bias']);
    const before = await valuesOf(model);
    const { gradients } = await session.gradients(IMAGES, SHAPE, LABELS);
    assert.ok(gradients['layer4.2.bn3.bias']?.every(Number.isFinite));
    assert.ok(!gradients['fc.0.weight']?.every(Number.isFinite));
    await assert.rejects(
      session.step(IMAGES, SHAPE, LABELS, RATES),
      fails('ERR_NON_FINITE', /^A gradient is not finite/),
    );
    assert.deepEqual(differing(before, await valuesOf(model)), []);
    session.dispose();
    model.dispose();
  });

  test('an optimizer state with values that are not finite is refused', async (t) => {
    const path = join(await temporaryDirectory(t), 'last.state');
    const model = newModel();
    const adam = { optimizer: { kind: 'adam', beta1: 0.9, beta2: 0.999, eps: 1e-8 } } as const;
    const session = newSession(model, ['fc.bias'], adam);
    await session.step(IMAGES, SHAPE, LABELS, RATES);
    await session.save([{ path, holds: 'state', metadata: {} }]);
    const table = await openWeights(path);
    const place = table.tensors.get('fc.bias.exp_avg') ?? assert.fail();
    const file = await open(path, 'r+');
    await file.write(float32(NaN), 0, 4, place.offset);
    await file.close();
    await assert.rejects(
      session.loadState(path, [...table.tensors.values()]),
      fails('ERR_CHECKPOINT', /last\.state: fc\.bias\.exp_avg has 1 value that is not finite/),
    );
    session.dispose();
    model.dispose();
  });
});
