import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  BACKBONE_BATCH_NORMS,
  BACKBONE_CONVOLUTIONS,
  describeUnits,
  stageOf,
  UNIT_NAMES,
} from '../../src/model/units.js';
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

describe('BACKBONE_CONVOLUTIONS', () => {
  it('holds 53 in forward order, downsample.0 after conv3, each with its BatchNorm', () => {
    assert.equal(BACKBONE_CONVOLUTIONS.length, 53);
    assert.deepEqual(BACKBONE_CONVOLUTIONS.slice(0, 6), [
      'conv1',
      'layer1.0.conv1',
      'layer1.0.conv2',
      'layer1.0.conv3',
      'layer1.0.downsample.0',
      'layer1.1.conv1',
    ]);
    assert.equal(BACKBONE_CONVOLUTIONS.at(-1), 'layer4.2.conv3');
    BACKBONE_CONVOLUTIONS.forEach((name, index) => {
      const norm = name.replace('downsample.0', 'downsample.1').replace('conv', 'bn');
      assert.equal(BACKBONE_BATCH_NORMS[index], norm);
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
