import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  ARCHITECTURE_NAMES,
  type ArchitectureName,
  architectureOf,
  outputShape,
  stageOf,
} from '../../src/model/architecture.js';
import { backboneOf, describeUnits, UNIT_NAMES } from '../../src/model/units.js';
import { openWeights } from '../../src/model/weights/index.js';
import { sharedRoot } from '../support/paths.js';

const torchvision = describeUnits({ classes: 1000, hidden: [], dropout: 0 });
const parameters = torchvision.flatMap((unit) => unit.parameters);
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);

describe('describeUnits', () => {
  it('has the 18 units in order', () => {
    assert.deepEqual(
      torchvision.map(({ name }) => name),
      [...UNIT_NAMES],
    );
    assert.deepEqual(
      torchvision.map(({ index }) => index),
      Array.from({ length: 18 }, (_, index) => index),
    );
  });

  it("has torchvision's 161 parameters and 25,557,032 values", () => {
    assert.equal(parameters.length, 161);
    assert.equal(new Set(parameters.map(({ name }) => name)).size, 161);
    assert.equal(sum(parameters.map(({ size }) => size)), 25_557_032);
    assert.equal(parameters.filter(({ kind }) => kind === 'convolution').length, 53);
    assert.equal(parameters.filter(({ kind }) => kind === 'batchNorm').length, 106);
  });

  it('names and shapes them as torchvision does', () => {
    const shapeOf = new Map(parameters.map(({ name, shape }) => [name, shape]));
    for (const [name, shape] of [
      ['conv1.weight', [64, 3, 7, 7]],
      ['bn1.bias', [64]],
      ['layer1.0.conv1.weight', [64, 64, 1, 1]],
      ['layer1.0.downsample.0.weight', [256, 64, 1, 1]],
      ['layer1.1.conv1.weight', [64, 256, 1, 1]],
      ['layer2.0.conv1.weight', [128, 256, 1, 1]],
      ['layer2.0.downsample.1.weight', [512]],
      ['layer3.5.conv2.weight', [256, 256, 3, 3]],
      ['layer4.0.downsample.0.weight', [2048, 1024, 1, 1]],
      ['layer4.2.bn3.weight', [2048]],
      ['fc.weight', [1000, 2048]],
      ['fc.bias', [1000]],
    ] as const) {
      assert.deepEqual(shapeOf.get(name), shape, name);
    }
  });

  it('keeps the order of state_dict() within a unit', () => {
    const unit = torchvision[4];
    assert.deepEqual(
      unit?.parameters.map(({ name }) => name.replace('layer2.0.', '')).filter((name) => name.endsWith('weight')),
      ['conv1', 'bn1', 'conv2', 'bn2', 'conv3', 'bn3', 'downsample.0', 'downsample.1'].map((name) => `${name}.weight`),
    );
    assert.deepEqual(
      unit?.convolutions,
      ['conv1', 'conv2', 'conv3', 'downsample.0'].map((name) => `layer2.0.${name}`),
    );
    assert.deepEqual(
      unit?.batchNorms,
      ['bn1', 'bn2', 'bn3', 'downsample.1'].map((name) => `layer2.0.${name}`),
    );
  });

  it('names hidden layers as nn.Sequential(Linear, ReLU, Dropout, …) would', () => {
    const head = describeUnits({ classes: 7, hidden: [1024, 256], dropout: 0.5 }).at(-1);
    assert.deepEqual(
      head?.parameters.map(({ name, shape, role }) => [name, shape, role]),
      [
        ['fc.0.weight', [1024, 2048], 'weight'],
        ['fc.0.bias', [1024], 'bias'],
        ['fc.3.weight', [256, 1024], 'weight'],
        ['fc.3.bias', [256], 'bias'],
        ['fc.6.weight', [7, 256], 'weight'],
        ['fc.6.bias', [7], 'bias'],
      ],
    );
  });

  it('agrees with a file of weights that torchvision wrote', async (t) => {
    const shared = sharedRoot();
    if (shared === null) return t.skip('no shared folder of weights beside the project');
    const file = await openWeights(join(shared, 'weights', 'resnet50-tiny-imagenet-64px.safetensors'));
    const buffers = /\.(running_mean|running_var|num_batches_tracked)$/;
    const stored = [...file.tensors.values()].filter(({ name }) => !buffers.test(name));
    const expected = describeUnits({ classes: 202, hidden: [], dropout: 0 }).flatMap((unit) => unit.parameters);
    const sorted = (entries: readonly (readonly [string, readonly number[]])[]) =>
      Object.fromEntries([...entries].sort());
    assert.deepEqual(
      sorted(stored.map(({ name, shape }) => [name, shape])),
      sorted(expected.map(({ name, shape }) => [name, shape])),
    );
  });
});

describe('backboneOf', () => {
  const { convolutions, batchNorms } = backboneOf(torchvision);

  it('holds 53 in forward order, downsample.0 after conv3, each with its BatchNorm', () => {
    assert.equal(convolutions.length, 53);
    assert.deepEqual(convolutions.slice(0, 6), [
      'conv1',
      'layer1.0.conv1',
      'layer1.0.conv2',
      'layer1.0.conv3',
      'layer1.0.downsample.0',
      'layer1.1.conv1',
    ]);
    assert.equal(convolutions.at(-1), 'layer4.2.conv3');
    convolutions.forEach((name, index) => {
      const norm = name.replace('downsample.0', 'downsample.1').replace('conv', 'bn');
      assert.equal(batchNorms[index], norm);
    });
  });
});

describe('stageOf', () => {
  it('gives the stage of a unit', () => {
    assert.deepEqual(
      UNIT_NAMES.map(stageOf)
        .join(' ')
        .match(/\b(\S+)\b(?!.*\b\1\b)/g),
      ['stem', 'layer1', 'layer2', 'layer3', 'layer4', 'head'],
    );
  });
});

describe('the members of the family', () => {
  // Sums of `parameters()` and lengths of `state_dict()` of torchvision 0.29.1, 1000 classes.
  for (const [arch, values, tensors, convolutions, units, features] of [
    ['resnet18', 11_689_512, 122, 20, 10, 512],
    ['resnet34', 21_797_672, 218, 36, 18, 512],
    ['resnet50', 25_557_032, 320, 53, 18, 2048],
    ['resnet101', 44_549_160, 626, 104, 35, 2048],
    ['resnet152', 60_192_808, 932, 155, 52, 2048],
    ['resnext50_32x4d', 25_028_904, 320, 53, 18, 2048],
    ['resnext101_32x8d', 88_791_336, 626, 104, 35, 2048],
    ['resnext101_64x4d', 83_455_272, 626, 104, 35, 2048],
    ['wide_resnet50_2', 68_883_240, 320, 53, 18, 2048],
    ['wide_resnet101_2', 126_886_696, 626, 104, 35, 2048],
  ] as const) {
    it(`${arch} is torchvision's`, () => {
      const described = describeUnits({ classes: 1000, hidden: [], dropout: 0 }, arch);
      const all = described.flatMap((unit) => unit.parameters);
      assert.equal(sum(all.map(({ size }) => size)), values);
      const statistics = 3 * sum(described.map(({ batchNorms }) => batchNorms.length));
      assert.equal(all.length + statistics, tensors);
      assert.equal(architectureOf(arch).convolutions.length, convolutions);
      assert.equal(described.length, units);
      assert.equal(architectureOf(arch).features, features);
    });
  }

  it('are ten', () => assert.equal(ARCHITECTURE_NAMES.length, 10));

  it('have basic blocks without a projection in the first stage, and groups in a bottleneck', () => {
    const basic = architectureOf('resnet18').convolutions;
    assert.deepEqual(
      basic.filter(({ unit }) => unit === 'layer1.0').map(({ name, shape, stride }) => [name, shape, stride]),
      [
        ['layer1.0.conv1', [64, 64, 3, 3], 1],
        ['layer1.0.conv2', [64, 64, 3, 3], 1],
      ],
    );
    assert.deepEqual(
      basic.filter(({ unit }) => unit === 'layer2.0').map(({ name, shape, stride }) => [name, shape, stride]),
      [
        ['layer2.0.conv1', [128, 64, 3, 3], 2],
        ['layer2.0.conv2', [128, 128, 3, 3], 1],
        ['layer2.0.downsample.0', [128, 64, 1, 1], 2],
      ],
    );
    const grouped = architectureOf('resnext50_32x4d').convolutions.find(({ name }) => name === 'layer2.0.conv2');
    assert.deepEqual([grouped?.shape, grouped?.stride, grouped?.groups], [[256, 8, 3, 3], 2, 32]);
  });

  it('tell the shapes of what their units put out', () => {
    const shape = (arch: ArchitectureName, units: number, side: number) =>
      outputShape(architectureOf(arch), units, side);
    assert.deepEqual(shape('resnet50', 1, 224), [64, 56, 56]);
    assert.deepEqual(shape('resnet18', 3, 224), [64, 56, 56]);
    assert.deepEqual(shape('resnet18', 9, 224), [512, 7, 7]);
    assert.deepEqual(shape('resnet101', 8, 75), [512, 10, 10]);
    assert.deepEqual(shape('resnet101', 9, 75), [1024, 5, 5]);
  });
});
