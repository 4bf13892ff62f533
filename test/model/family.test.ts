import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { Predictor } from '../../src/inference/predictor.js';
import { ARCHITECTURE_NAMES, type ArchitectureName } from '../../src/model/architecture.js';
import type { CreateOptions } from '../../src/model/create.js';
import { ResNet } from '../../src/model/network.js';
import { ResNet50 } from '../../src/model/resnet50.js';
import { describeUnits } from '../../src/model/units.js';
import { openTensors } from '../../src/model/weights/index.js';
import { native } from '../../src/native/load.js';
import { fails } from '../support/fails.js';
import { backboneOf, linear, stateDict, torchFile } from '../support/networks.js';
import { temporaryDirectory } from '../support/paths.js';

const shape = [1, 3, 32, 32] as const;
const images = Float32Array.from({ length: 3 * 32 * 32 }, (_, i) => Math.sin(i * 0.37));

function create(arch: ArchitectureName, options: Partial<CreateOptions> = {}): Promise<ResNet> {
  native().setThreads(1);
  return ResNet.create({ arch, classes: 3, weights: 'none', device: 'cpu', ...options });
}

describe('the table here and the native one', () => {
  for (const arch of ARCHITECTURE_NAMES) {
    it(`have the same ${arch}: names, shapes, order`, () => {
      const head = { classes: 3, hidden: [16], dropout: 0 };
      const { Model } = native();
      const handle = new Model({ arch, ...head, dtype: 'float32', device: 'cpu', seed: 0 });
      try {
        const parameters = handle.tensors().filter(({ kind }) => kind === 'parameter');
        const units = describeUnits(head, arch);
        assert.deepEqual(
          parameters.map(({ name, shape: sides }) => [name, sides]),
          units.flatMap((unit) => unit.parameters.map(({ name, shape: sides }) => [name, sides])),
        );
        const means = handle.tensors().filter(({ name }) => name.endsWith('.running_mean'));
        assert.deepEqual(
          means.map(({ name }) => name.replace('.running_mean', '')),
          units.flatMap(({ batchNorms }) => batchNorms),
        );
      } finally {
        handle.dispose();
      }
    });
  }
});

describe('ResNet', () => {
  it('is a resnet50 unless it is told otherwise', async () => {
    using model = await ResNet.create({ classes: 2, weights: 'none', device: 'cpu' });
    assert.equal(model.arch, 'resnet50');
    assert.ok(!(model instanceof ResNet50));
  });

  for (const [arch, features] of [
    ['resnet18', 512],
    ['resnext50_32x4d', 2048],
  ] as const) {
    it(`saves a ${arch} as what it is, and loads it again`, async (t) => {
      const path = join(await temporaryDirectory(t), 'model.safetensors');
      using model = await create(arch, { classes: ['ant', 'bee', 'wasp'] });
      await model.save(path);
      const { metadata } = await openTensors(path);
      assert.deepEqual([metadata.arch, metadata.formatVersion], [arch, '1']);
      using loaded = await ResNet.load(path, { device: 'cpu' });
      assert.equal(loaded.arch, arch);
      assert.deepEqual(loaded.classes, ['ant', 'bee', 'wasp']);
      const before = await model.forward(images, shape);
      assert.deepEqual(await loaded.forward(images, shape), before);
      const seen = await loaded.features(images, shape);
      assert.deepEqual(seen.shape, [1, features]);
      assert.deepEqual(
        loaded.units().map(({ name }) => name),
        model.units().map(({ name }) => name),
      );

      using predictor = await Predictor.load(path, { device: 'cpu', imageSize: 32, precision: 'fp32' });
      assert.equal(predictor.arch, arch);
      const pixels = { data: new Uint8Array(32 * 32 * 3).fill(90), width: 32, height: 32, channels: 3 } as const;
      assert.deepEqual((await predictor.features([pixels, pixels])).shape, [2, features]);
    });
  }

  it('takes an architecture by its name alone, and names the nearest', async () => {
    await assert.rejects(
      create('resnet51' as ArchitectureName),
      fails('ERR_INVALID_ARGUMENT', /arch cannot be "resnet51": it is one of resnet18, .*Did you mean resnet50\?/),
    );
  });

  it('refuses the weights of another member by both names', async (t) => {
    const path = join(await temporaryDirectory(t), 'weights.pth');
    const network = [...backboneOf({ blocks: [2, 2, 2, 2], kind: 'basic' }), ...linear('fc', 3, true, 512)];
    await writeFile(path, torchFile(stateDict(network)));
    await assert.rejects(
      create('resnet50', { weights: path }),
      fails(
        'ERR_SHAPE_MISMATCH',
        /weights\.pth: these are the weights of a resnet18, and the model is a resnet50\..*--arch resnet18/,
      ),
    );
    using fitting = await create('resnet18', { weights: path });
    assert.deepEqual(
      fitting.notes.map(({ code }) => code),
      [],
    );
    assert.equal((await fitting.handle.read('conv1.weight'))[0], Math.fround(0.01));
    using recognised = await ResNet.load(path, { device: 'cpu' });
    assert.equal(recognised.arch, 'resnet18');
  });

  it('freezes units of its own', async () => {
    using model = await create('resnet18');
    assert.throws(() => model.freeze({ until: 'layer3.5' }), fails('ERR_INVALID_ARGUMENT', /it is one of stem, /));
    model.freeze({ until: 'layer3' });
    assert.equal(model.frozen?.plan.frozenPrefixUnits, 7);
  });
});

describe('ResNet50', () => {
  it('is a ResNet of that architecture, and loads no other', async (t) => {
    const path = join(await temporaryDirectory(t), 'small.safetensors');
    using small = await create('resnet18');
    await small.save(path);
    await assert.rejects(
      ResNet50.load(path),
      fails(
        'ERR_SHAPE_MISMATCH',
        /small\.safetensors is of a resnet18, and ResNet50\.load\(\) loads a resnet50\. ResNet\.load\(\)/,
      ),
    );
    const own = join(await temporaryDirectory(t), 'own.safetensors');
    using model = await ResNet50.create({ classes: 2, weights: 'none', device: 'cpu' });
    assert.ok(model instanceof ResNet);
    await model.save(own);
    using loaded = await ResNet50.load(own, { device: 'cpu' });
    assert.ok(loaded instanceof ResNet50);
    assert.equal(loaded.arch, 'resnet50');
  });

  it('says where other members are made', async () => {
    const options = { arch: 'resnet18', classes: 2, weights: 'none' } as const;
    await assert.rejects(
      ResNet50.create(options),
      fails('ERR_INVALID_ARGUMENT', /ResNet50\.create\(\) makes a resnet50\..*ResNet\.create\(\{ arch \}\)/),
    );
  });
});
