import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { ArchitectureName } from '../../../src/model/architecture.js';
import { openWeights, refuseOtherMember, type TensorTable } from '../../../src/model/weights/index.js';
import { fails } from '../../support/fails.js';
import {
  backboneOf,
  linear,
  type NamedShape,
  type NetworkOptions,
  prefixed,
  stateDict,
  torchFile,
} from '../../support/networks.js';
import { temporaryDirectory } from '../../support/paths.js';

const BACKBONE = backboneOf();

async function open(t: TestContext, tensors: readonly NamedShape[]): Promise<TensorTable> {
  const path = join(await temporaryDirectory(t), 'weights.pth');
  await writeFile(path, torchFile(stateDict(tensors)));
  return openWeights(path);
}

test('each member of the family is known by its names and shapes', async (t) => {
  const cases: readonly (readonly [ArchitectureName, NetworkOptions, number])[] = [
    ['resnet18', { blocks: [2, 2, 2, 2], kind: 'basic' }, 512],
    ['resnet34', { kind: 'basic' }, 512],
    ['resnet50', {}, 2048],
    ['resnet101', { blocks: [3, 4, 23, 3] }, 2048],
    ['resnet152', { blocks: [3, 8, 36, 3] }, 2048],
    ['wide_resnet50_2', { width: 128 }, 2048],
    ['wide_resnet101_2', { blocks: [3, 4, 23, 3], width: 128 }, 2048],
    ['resnext50_32x4d', { width: 128, groups: 32 }, 2048],
    ['resnext101_32x8d', { blocks: [3, 4, 23, 3], width: 256, groups: 32 }, 2048],
    ['resnext101_64x4d', { blocks: [3, 4, 23, 3], width: 256, groups: 64 }, 2048],
  ];
  for (const [name, options, features] of cases) {
    await t.test(name, async (inner) => {
      const network = [...backboneOf(options), ...linear('fc', 5, true, features)];
      const table = await open(inner, prefixed('model.', network));
      assert.equal(table.arch, name);
      assert.deepEqual(
        [...table.tensors.keys()],
        network.map(([key]) => key),
      );
      assert.deepEqual(table.others, []);
    });
  }
});

test('the head of a resnet18 has 512 inputs', async (t) => {
  const small = backboneOf({ blocks: [2, 2, 2, 2], kind: 'basic' });
  const read = await open(t, [...small, ...linear('classifier', 5, true, 512)]);
  assert.deepEqual(read.tensors.get('fc.weight')?.shape, [5, 512]);
  const other = await open(t, [...small, ...linear('classifier', 5)]);
  assert.deepEqual(other.others, ['classifier.weight', 'classifier.bias']);
});

test('a model of another member is refused by both names, and told what to do', () => {
  refuseOtherMember('weights.pth', 'resnet101', 'resnet101');
  refuseOtherMember('weights.pth', null, 'resnet101');
  assert.throws(
    () => refuseOtherMember('weights.pth', 'resnet101', 'resnet50'),
    fails(
      'ERR_SHAPE_MISMATCH',
      /weights\.pth: these are the weights of a resnet101, and the model is a resnet50\..*--arch resnet101 \(arch: 'resnet101'\)/,
    ),
  );
});

test('a network that is no member is refused, by its name where it has one', async (t) => {
  const cases: readonly (readonly [string, NetworkOptions])[] = [
    ['a resnext101_32x4d', { blocks: [3, 4, 23, 3], width: 128, groups: 32 }],
    ['another network, of 2, 2, 2, 2 bottleneck blocks', { blocks: [2, 2, 2, 2] }],
    ['another network, of 3, 4, 7, 3 bottleneck blocks', { blocks: [3, 4, 7, 3] }],
    ['another network, of 1, 1, 1, 1 basic blocks', { blocks: [1, 1, 1, 1], kind: 'basic' }],
  ];
  for (const [what, options] of cases) {
    await t.test(what, async (inner) => {
      await assert.rejects(
        open(inner, backboneOf(options)),
        fails('ERR_SHAPE_MISMATCH', new RegExp(`these are the weights of ${what}, and only those of torchvision's`)),
      );
    });
  }
});

/** What timm's deep stems have in the place of `conv1.weight`, with these widths. */
function deepStem(tensors: readonly NamedShape[], first: number, second = 32, last = 64): readonly NamedShape[] {
  const stem: NamedShape[] = [
    ['conv1.0.weight', [first, 3, 3, 3]],
    ['conv1.1.weight', [first]],
    ['conv1.3.weight', [second, first, 3, 3]],
    ['conv1.4.weight', [second]],
    ['conv1.6.weight', [last, second, 3, 3]],
  ];
  return [...stem, ...tensors.filter(([name]) => name !== 'conv1.weight')];
}

/** An average stands first in timm's shortcuts of the kind `d`, so that what follows is numbered one higher. */
function averaged(tensors: readonly NamedShape[]): readonly NamedShape[] {
  return tensors.map(([name, shape]) => [
    name.replace(/downsample\.([01])\./, (_, place: string) => `downsample.${Number(place) + 1}.`),
    shape,
  ]);
}

function squeezed(tensors: readonly NamedShape[], reduction: number, module = 'se'): readonly NamedShape[] {
  return [
    ...tensors,
    [`layer1.0.${module}.fc1.weight`, [256 / reduction, 256, 1, 1]],
    [`layer1.0.${module}.fc2.weight`, [256, 256 / reduction, 1, 1]],
  ];
}

test("timm's variants are refused by their names", async (t) => {
  const small = backboneOf({ blocks: [2, 2, 2, 2], kind: 'basic' });
  const grouped = backboneOf({ width: 128, groups: 32 });
  const cases: readonly (readonly [string, readonly NamedShape[], RegExp])[] = [
    ['resnet50d', deepStem(averaged(BACKBONE), 32), /a stem of three convolutions and shortcuts that average/],
    ['resnet18d', deepStem(averaged(small), 32), /a stem of three convolutions and shortcuts that average/],
    ['resnet50c', deepStem(BACKBONE, 32), /with a stem of three convolutions, and only/],
    ['resnet50s', deepStem(BACKBONE, 64, 64, 128), /with a stem of three convolutions, and only/],
    ['resnet50t', deepStem(averaged(BACKBONE), 24), /shortcuts that average/],
    ['seresnet50', squeezed(BACKBONE, 16), /with squeeze-and-excitation, and only/],
    ['seresnet50', squeezed(BACKBONE, 16, 'se_module'), /with squeeze-and-excitation, and only/],
    ['seresnext50_32x4d', squeezed(grouped, 16), /with squeeze-and-excitation, and only/],
    ['resnetrs50', squeezed(deepStem(averaged(BACKBONE), 32), 4), /squeeze-and-excitation/],
    [
      'ecaresnet50d',
      [...deepStem(averaged(BACKBONE), 32), ['layer1.0.se.conv.weight', [1, 1, 5]]],
      /channel attention/,
    ],
    [
      'resnest50d',
      [...deepStem(averaged(BACKBONE), 32), ['layer1.0.conv2.fc1.weight', [32, 64, 1, 1]]],
      /split attention/,
    ],
  ];
  for (const [name, tensors, words] of cases) {
    await t.test(name, async (inner) => {
      const refused = open(inner, tensors);
      await assert.rejects(
        refused,
        fails('ERR_SHAPE_MISMATCH', new RegExp(`these are the weights of an? ${name}, with`)),
      );
      await assert.rejects(refused, fails('ERR_SHAPE_MISMATCH', words));
    });
  }
});

test('a tensor within the blocks that torchvision lacks makes it another network', async (t) => {
  for (const name of ['layer4.2.conv3.bias', 'conv1.bias', 'layer5.0.conv1.weight']) {
    await assert.rejects(
      open(t, [...BACKBONE, [name, [1]]]),
      fails('ERR_SHAPE_MISMATCH', new RegExp(`A resnet50 has no ${name}`)),
    );
  }
  // What thop leaves in every module is a count of operations.
  const counted = await open(t, [...BACKBONE, ['layer1.0.total_ops', [1]], ['conv1.total_params', [1]]]);
  assert.deepEqual(counted.others, ['layer1.0.total_ops', 'conv1.total_params']);
});

test('where so much is missing that nothing can be told, nothing is', async (t) => {
  const table = await open(
    t,
    BACKBONE.filter(([name]) => !/^layer[34]/.test(name)),
  );
  assert.equal(table.arch, null);
});
