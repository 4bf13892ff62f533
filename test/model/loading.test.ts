import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { exportModel } from '../../src/export/export.js';
import { Predictor } from '../../src/inference/predictor.js';
import { checkWeights } from '../../src/model/check-weights.js';
import type { CreateOptions } from '../../src/model/create.js';
import { readModelSource } from '../../src/model/model-source.js';
import { ResNet50 } from '../../src/model/resnet50.js';
import type { Floats, StoredTensor } from '../../src/native/contract/model.js';
import { native } from '../../src/native/load.js';
import { fails } from '../support/fails.js';
import { backboneOf, linear, type NamedShape, prefixed, stateDict, torchFile } from '../support/networks.js';
import { temporaryDirectory } from '../support/paths.js';
import { dict, type Pickled, text } from '../support/pickle.js';

const shape = [1, 3, 32, 32] as const;
const images = Float32Array.from({ length: 3 * 32 * 32 }, (_, i) => Math.sin(i * 0.37));
const BACKBONE = backboneOf();

function create(classes: CreateOptions['classes'], options: Partial<CreateOptions> = {}): Promise<ResNet50> {
  native().setThreads(1);
  return ResNet50.create({ classes, weights: 'none', device: 'cpu', ...options });
}

async function fileOf(t: TestContext, value: Pickled, number = 0.01): Promise<string> {
  const path = join(await temporaryDirectory(t), 'weights.pth');
  await writeFile(path, torchFile(value, { '0': number }));
  return path;
}

const fileWith = (t: TestContext, ...tensors: readonly NamedShape[]): Promise<string> => fileOf(t, stateDict(tensors));
const codes = (model: ResNet50): readonly string[] => model.notes.map(({ code }) => code);
/** Row `row` of a matrix with so many columns. */
const rowOf = (values: Floats, row: number, columns: number): Floats =>
  values.slice(row * columns, (row + 1) * columns);

describe('starting weights with a head', () => {
  it('give it to the classes of the same names, wherever they stand, and leave the others random', async (t) => {
    for (const hidden of [[], [16]]) {
      const path = join(await temporaryDirectory(t), 'model.safetensors');
      const [columns, last] = hidden.length === 0 ? [2048, 'fc'] : [16, 'fc.3'];
      using saved = await create(['ants', 'bees'], { head: { hidden }, seed: 3 });
      await saved.save(path);
      const head = { hidden };
      using fresh = await create(['bees', 'wasps', 'ants'], { head });
      using tuned = await create(['bees', 'wasps', 'ants'], { head, weights: path });
      const held = await saved.handle.read(`${last}.weight`);
      const taken = await tuned.handle.read(`${last}.weight`);
      const random = await fresh.handle.read(`${last}.weight`);
      assert.deepEqual(rowOf(taken, 0, columns), rowOf(held, 1, columns));
      assert.deepEqual(rowOf(taken, 1, columns), rowOf(random, 1, columns));
      assert.deepEqual(rowOf(taken, 2, columns), rowOf(held, 0, columns));
      const [biases, own] = [await tuned.handle.read(`${last}.bias`), await saved.handle.read(`${last}.bias`)];
      assert.deepEqual([biases[0], biases[2]], [own[1], own[0]]);
      if (hidden.length > 0) {
        assert.deepEqual(await tuned.handle.read('fc.0.weight'), await saved.handle.read('fc.0.weight'));
      }
      assert.deepEqual(codes(tuned), ['head-by-class-name']);
    }
  });

  it('do not give it to other classes', async (t) => {
    const path = join(await temporaryDirectory(t), 'model.safetensors');
    using saved = await create(['ants', 'bees'], { seed: 3 });
    await saved.save(path);
    using fresh = await create(['flies', 'wasps']);
    using tuned = await create(['flies', 'wasps'], { weights: path });
    assert.deepEqual(await tuned.handle.read('fc.weight'), await fresh.handle.read('fc.weight'));
    assert.deepEqual(await tuned.handle.read('conv1.weight'), await saved.handle.read('conv1.weight'));
    assert.deepEqual(codes(tuned), ['head-not-loaded']);
    assert.match(tuned.notes[0]?.message ?? '', /ants, bees, and the model's are flies, wasps/);
  });

  it('keep their class names where none are given', async (t) => {
    const path = join(await temporaryDirectory(t), 'model.safetensors');
    using saved = await create(['ants', 'bees']);
    await saved.save(path);
    using same = await create(2, { weights: path });
    assert.deepEqual([same.classes, same.classesAreNamed], [['ants', 'bees'], true]);
    assert.deepEqual(codes(same), ['head-classes-kept']);
    using others = await create(3, { weights: path });
    assert.deepEqual([others.classes, others.classesAreNamed], [['0', '1', '2'], false]);
    assert.deepEqual(codes(others), ['head-not-loaded']);
  });
});

describe('weights of others', () => {
  it('are loaded from under a prefix and a key, and said to be', async (t) => {
    const network = prefixed('module.', [...BACKBONE, ...linear('fc', 4)]);
    const path = await fileOf(t, dict([text('model_ema'), stateDict(network)], [text('epoch'), 'N']));
    using model = await ResNet50.load(path, { device: 'cpu' });
    assert.equal(model.classes.length, 4);
    assert.deepEqual(codes(model), ['network-place']);
    const values = await model.handle.read('layer4.2.conv3.weight');
    assert.ok(values.every((value) => value === Math.fround(0.01)));
  });

  it('have a bias of zeros where the head has none', async (t) => {
    using model = await ResNet50.load(await fileWith(t, ...BACKBONE, ...linear('classifier', 3, false)), {
      device: 'cpu',
    });
    assert.deepEqual(await model.handle.read('fc.bias'), new Float32Array(3));
    assert.equal((await model.handle.read('fc.weight'))[0], Math.fround(0.01));
  });

  it('with one output are a sigmoid between two classes, which must be named', async (t) => {
    const path = await fileWith(t, ...BACKBONE, ...linear('fc.1', 1));
    await assert.rejects(
      ResNet50.load(path, { device: 'cpu' }),
      fails('ERR_WEIGHTS_FORMAT', /one output, a sigmoid's between two classes, and no names.*--classes/),
    );
    await assert.rejects(
      ResNet50.load(path, { device: 'cpu', classes: ['a', 'b', 'c'] }),
      fails('ERR_INVALID_ARGUMENT', /one output.*there are 3 class names/),
    );
    using model = await ResNet50.load(path, { device: 'cpu', classes: ['no', 'yes'] });
    assert.deepEqual([model.classes, model.head.classes], [['no', 'yes'], 2]);
    const { data, shape: size } = await model.forward(images, shape);
    assert.deepEqual(size, [1, 2]);
    // Every feature meets the weight 0.01; softmax over 0 and z is the sigmoid of z.
    const features = (await model.features(images, shape)).data;
    const z = [...features].reduce((sum, value) => sum + 0.01 * value, 0.01);
    assert.equal(data[0], 0);
    assert.ok(Math.abs((data[1] ?? 0) - z) <= 1e-5 * Math.abs(z));
    assert.deepEqual(codes(model), ['head-place', 'head-sigmoid']);
  });

  it('of a network that is no member of the family are refused wherever weights are named', async (t) => {
    const path = await fileWith(t, ...BACKBONE, ['layer1.0.se.fc1.weight', [16, 256, 1, 1]], ...linear('fc', 3));
    const refused = fails('ERR_SHAPE_MISMATCH', /weights\.pth: these are the weights of a seresnet50/);
    await assert.rejects(ResNet50.create({ classes: 3, weights: path, device: 'cpu' }), refused);
    await assert.rejects(ResNet50.load(path, { device: 'cpu' }), refused);
    await assert.rejects(Predictor.load(path, { device: 'cpu' }), refused);
    await assert.rejects(readModelSource(path), refused);
    for (const format of ['onnx', 'torchvision', 'safetensors'] as const) {
      await assert.rejects(exportModel(path, { format, out: `${path}.out` }), refused);
    }
  });
});

describe('values that no weight has', () => {
  /** A network of small numbers, but for one tensor. */
  async function withFault(t: TestContext, name: string, value: number): Promise<string> {
    const path = join(await temporaryDirectory(t), 'weights.pth');
    const tensors = [...BACKBONE, ...linear('fc', 3)];
    const sound = stateDict(tensors.filter(([other]) => other !== name));
    const faulty = stateDict(
      tensors.filter(([other]) => other === name),
      '1',
    );
    await writeFile(path, torchFile(`${sound}${faulty.slice(1)}`, { '0': 0.01, '1': value }));
    return path;
  }

  it('are refused by the name of their tensor wherever weights are named', async (t) => {
    const cases: readonly (readonly [string, number])[] = [
      ['layer1.0.conv1.weight', Number.NaN],
      ['layer3.0.conv1.weight', Number.POSITIVE_INFINITY],
      ['layer2.0.bn1.running_var', Number.NaN],
      ['layer2.0.bn1.running_var', -5],
      ['fc.weight', Number.NaN],
    ];
    for (const [name, value] of cases) {
      const path = await withFault(t, name, value);
      const refused = fails('ERR_WEIGHTS_FORMAT', new RegExp(`weights\\.pth.*${name}`, 's'));
      await assert.rejects(ResNet50.load(path, { device: 'cpu' }), refused);
      await assert.rejects(checkWeights(await readModelSource(path)), refused);
      await assert.rejects(exportModel(path, { format: 'fp16', out: `${path}.out` }), refused);
      await assert.rejects(create(['a', 'b', 'c'], { weights: path }), refused);
    }
    // A head that is not taken is not looked at.
    using other = await create(2, { weights: await withFault(t, 'fc.weight', Number.NaN) });
    assert.deepEqual(codes(other), ['head-not-loaded']);
  });
});

describe('a stored tensor', () => {
  /** A file of float32 that count from 0, and where `name` lies in it. */
  async function counting(t: TestContext, o: Omit<StoredTensor, 'dtype' | 'length' | 'offset'>, count: number) {
    const path = join(await temporaryDirectory(t), 'numbers');
    // One byte first: nothing need be aligned.
    const bytes = Buffer.alloc(1 + 4 * count);
    for (let at = 0; at < count; at += 1) bytes.writeFloatLE(at, 1 + 4 * at);
    await writeFile(path, bytes);
    return { path, stored: { ...o, dtype: 'F32', offset: 1, length: 4 * count } as const };
  }

  it('that is channels-last is copied to where it belongs', async (t) => {
    using model = await create(2);
    const [out, inner, side] = [64, 3, 7];
    const sizes = [out, inner, side, side];
    const strides = [inner * side * side, 1, inner * side, inner];
    const { path, stored } = await counting(
      t,
      { name: 'conv1.weight', shape: sizes, strides },
      out * inner * side * side,
    );
    await model.handle.load(path, [stored]);
    const values = await model.handle.read('conv1.weight');
    const at = (o: number, i: number, y: number, x: number) => values[((o * inner + i) * side + y) * side + x];
    assert.equal(at(0, 1, 0, 0), 1);
    assert.equal(at(0, 0, 0, 1), 3);
    assert.equal(at(0, 0, 1, 0), 21);
    assert.equal(at(63, 2, 6, 6), out * inner * side * side - 1);
  });

  it('goes row by row where rows are named', async (t) => {
    using model = await create(3);
    const before = await model.handle.read('fc.bias');
    const { path, stored } = await counting(t, { name: 'fc.bias', shape: [5] }, 5);
    await model.handle.load(path, [{ ...stored, rows: Int32Array.of(4, -1, 0) }]);
    assert.deepEqual(await model.handle.read('fc.bias'), Float32Array.of(4, before[1] ?? 0, 0));
    for (const rows of [Int32Array.of(5, 0, 0), Int32Array.of(0, 0), Int32Array.of(-2, 0, 0)]) {
      await assert.rejects(async () => model.handle.load(path, [{ ...stored, rows }]), { code: 'ERR_SHAPE_MISMATCH' });
    }
  });

  it('whose strides lead out of its bytes is refused', async (t) => {
    using model = await create(3);
    const { path, stored } = await counting(t, { name: 'fc.bias', shape: [3], strides: [2] }, 4);
    await assert.rejects(async () => model.handle.load(path, [stored]), { code: 'ERR_WEIGHTS_FORMAT' });
    const flat = { ...stored, strides: [] as number[], length: 12 };
    await model.handle.load(path, [flat]);
    await assert.rejects(async () => model.handle.load(path, [{ ...flat, strides: [1, 1] }]), {
      code: 'ERR_WEIGHTS_FORMAT',
    });
  });
});

describe('an abort', () => {
  it('ends the loading of weights, in native code too, with its reason', async (t) => {
    const path = await fileWith(t, ...BACKBONE, ...linear('fc', 3));
    const addon = native();
    const { CancelToken } = addon;
    t.after(() => Object.assign(addon, { CancelToken }));
    for (const begin of [
      (signal: AbortSignal) => ResNet50.load(path, { device: 'cpu', signal }),
      (signal: AbortSignal) => ResNet50.create({ classes: 3, weights: path, device: 'cpu', signal }),
      (signal: AbortSignal) => Predictor.load(path, { device: 'cpu', signal }),
    ]) {
      const abort = new AbortController();
      let tokens = 0;
      // The abort comes when the files were read and native code is about to be asked.
      const Aborting = class extends CancelToken {
        constructor() {
          super();
          tokens += 1;
          abort.abort(new RangeError('mine'));
          this.cancel();
        }
      };
      Object.assign(addon, { CancelToken: Aborting });
      await assert.rejects(begin(abort.signal), RangeError);
      assert.equal(tokens, 1);
    }
  });

  it('that came before is heard before the file is opened', async () => {
    const signal = AbortSignal.abort();
    await assert.rejects(ResNet50.load('/there/is/none', { signal }), { name: 'AbortError' });
  });
});
