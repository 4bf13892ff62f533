import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { openLoader } from '../../src/data/loader.js';
import { centerCrop } from '../../src/data/transforms/spec.js';
import { native } from '../../src/native/load.js';
import { relativeError } from '../parity/compare.js';
import { digest, digestError, imageValues, labelValues, weightValues } from '../parity/recipe.js';
import { readTensors } from '../parity/safetensors.js';
import { fails } from '../support/fails.js';
import { projectRoot } from '../support/paths.js';
import { tinyData } from '../training/support/tiny.js';
import { type Case, equalsAutograd } from './support/backward.js';
import { backboneOf } from './support/networks.js';
import { uniform } from './support/numbers.js';
import { fill, newModel, newSession, normsOf, parametersOf } from './support/sessions.js';

native().setThreads(1);

interface Golden {
  readonly classes: number;
  readonly shape: readonly [number, number, number, number];
  /** Of each member: how many tensors its state dict has, and a hash of their names and shapes, a line each. */
  readonly states: Readonly<Record<string, { readonly tensors: number; readonly sha256: string }>>;
  /** Those of which there are figures. */
  readonly computed: readonly string[];
}

const folder = join(projectRoot, 'test', 'fixtures', 'golden');
const golden = JSON.parse(readFileSync(join(folder, 'family.json'), 'utf8')) as Golden;
const all = () => true;
const none = () => false;

/** Every layer of a block once in each role; the numbers of both kinds of block are in the patterns. */
const CASES: readonly Case[] = [
  { name: 'everything', trains: all, statistics: all },
  { name: 'everything, BatchNorm in evaluation mode', trains: all, statistics: none },
  {
    name: 'from the second block of layer1 on',
    trains: (p) => /^(layer1\.1|layer[234]|fc)/.test(p),
    statistics: (m) => /^(layer1\.1|layer[234])/.test(m),
  },
  {
    name: 'layer4 and the head, statistics of the first layer and of shortcuts',
    trains: (p) => /^(layer4|fc)/.test(p),
    statistics: (m) => /^layer4\.\d\.(bn1|downsample\.1)$/.test(m),
  },
  {
    name: 'layer4 and the head, statistics of the second layer',
    trains: (p) => /^(layer4|fc)/.test(p),
    statistics: (m) => /^layer4\.\d\.bn2$/.test(m),
  },
  { name: 'second convolutions alone', trains: (p) => p.includes('conv2'), statistics: none },
  { name: 'shortcuts alone', trains: (p) => /downsample\.0/.test(p), statistics: (m) => /downsample/.test(m) },
  { name: 'the stem alone, in evaluation mode', trains: (p) => /^(conv1|bn1)\./.test(p), statistics: none },
];

describe('the family of architectures', () => {
  for (const [arch, { tensors, sha256 }] of Object.entries(golden.states)) {
    it(`names and shapes the tensors of a ${arch} as torchvision does, in its order`, () => {
      const model = newModel({ arch, classes: 1000 });
      const found = model.tensors().map(({ name, shape }) => `${name} ${shape.join('x')}\n`);
      model.dispose();
      assert.equal(found.length, tensors);
      assert.equal(createHash('sha256').update(found.join('')).digest('hex'), sha256);
    });
  }

  it('refuses a name that is in no table, and says which are', () => {
    assert.throws(() => newModel({ arch: 'resnet51' }), fails('ERR_INVALID_ARGUMENT', /resnet51.*resnet50, resnet101/));
  });

  for (const arch of golden.computed) {
    it(`computes PyTorch's logits, features and gradients with a ${arch} in float64`, async () => {
      const model = newModel({ arch, classes: golden.classes, dtype: 'float64' });
      for (const [position, { name, shape }] of model.tensors().entries())
        await model.write(name, weightValues(name, shape, position));
      const expected = readTensors(join(folder, 'family.safetensors'));
      const images = imageValues(golden.shape, 20);
      for (const output of ['logits', 'features'] as const) {
        const actual = await model.forward(images, golden.shape, { output, compute: 'dtype' });
        const error = relativeError(actual, expected.floats(`${arch}/${output}`));
        assert.ok(error <= 1e-12, `${output}: ${error}`);
      }
      const parameters = parametersOf(model);
      const session = newSession(model, parameters, { batchNormTraining: normsOf(model) });
      const labels = labelValues(golden.shape[0], golden.classes, 20);
      const { gradients } = await session.gradients(images, golden.shape, labels);
      const rows = expected.floats(`${arch}/gradients`);
      const width = rows.length / parameters.length;
      for (const [row, name] of parameters.entries()) {
        const digested = rows.subarray(row * width, (row + 1) * width);
        const error = digestError(digest(gradients[name] ?? []), digested);
        assert.ok(error <= 1e-8, `gradient of ${name}: ${error}`);
      }
      session.dispose();
      model.dispose();
    });
  }

  for (const arch of ['resnet18', 'resnext50_32x4d'])
    for (const given of CASES)
      it(`the written-out backward of a ${arch} equals autograd in float64: ${given.name}`, () =>
        equalsAutograd(given, arch));

  it("begins as torchvision's: Kaiming normal over the whole fan out, whatever the groups, and no scale of zero", async () => {
    const model = newModel({ arch: 'resnext50_32x4d', seed: 7 });
    for (const name of ['layer3.1.conv2.weight', 'layer3.1.conv3.weight', 'layer2.0.downsample.0.weight']) {
      const shape = model.tensors().find((tensor) => tensor.name === name)?.shape ?? assert.fail(name);
      const values = Float64Array.from(await model.read(name));
      const deviation = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
      const expected = Math.sqrt(2 / ((shape[0] ?? 0) * (shape[2] ?? 0) * (shape[3] ?? 0)));
      assert.ok(Math.abs(deviation / expected - 1) < 0.02, `${name}: ${deviation}, expected ${expected}`);
    }
    assert.ok((await model.read('layer3.1.bn3.weight')).every((value) => value === 1));
    model.dispose();
  });

  for (const [arch, norm, convolution] of [
    ['resnet18', 'bn1', 'conv2'],
    ['resnext50_32x4d', 'bn2', 'conv3'],
  ] as const)
    it(`tells of sums that overflow in the middle of a compiled ${arch}`, async () => {
      const model = newModel({ arch });
      await fill(model, `layer3.1.${norm}.bias`, 3e38);
      await fill(model, `layer3.1.${convolution}.weight`, 1);
      await assert.rejects(
        model.forward(Float32Array.from(uniform(3 * 64 * 64, 1)), [1, 3, 64, 64], {
          output: 'logits',
          compute: 'dtype',
        }),
        fails('ERR_NON_FINITE', /come from layer3\.1/),
      );
      model.dispose();
    });

  it("keeps what frozen units of a resnet18 put out, in entries of that unit's size", async (t) => {
    const data = await tinyData(t);
    const files = await data.fileListFor('train', data.classes);
    t.after(() => files.dispose());
    const crop = centerCrop(64, 64);
    for (const [until, units, bytes] of [
      [/^(layer[34]|fc)/, 5, 128 * 8 * 8 * 4],
      [/^(layer4\.1|fc)/, 8, 512 * 2 * 2 * 4],
      [/^fc/, 9, 512 * 4],
    ] as const) {
      const model = newModel({ arch: 'resnet18', classes: data.classes.length });
      const session = newSession(
        model,
        parametersOf(model).filter((name) => until.test(name)),
      );
      const cache = new (native().FeatureCache)({ mode: 'memory', entryBytes: bytes, units, memoryLimit: 1e8 });
      await cache.open();
      const losses: number[] = [];
      for (let pass = 0; pass < 2; pass++) {
        const loader = openLoader({ files, crop, batchSize: 4, epoch: 0, seed: 0, training: true, cache });
        const { losses: found } = await session.run({ loader, rates: Float64Array.of(0) });
        losses.push(...found);
        loader.dispose();
      }
      assert.equal(losses[1], losses[0]);
      assert.ok(cache.stats().hits >= 4, `${units} units: ${cache.stats().hits} hits`);
      session.dispose();
      await cache.close();
      cache.dispose();
      model.dispose();
    }
  });

  for (const arch of ['resnet18', 'resnext50_32x4d'])
    for (const compute of ['dtype', 'bf16'] as const)
      it(`a ${arch} learns behind frozen units, which stay, in ${compute}`, async () => {
        const model = newModel({ arch, classes: 3, hidden: [8], dropout: 0.1 });
        const units = backboneOf(model);
        const trains = (name: string) => /^(layer4|fc)/.test(name);
        const session = newSession(model, parametersOf(model).filter(trains), {
          batchNormTraining: normsOf(model).filter(trains),
          compute,
        });
        const frozen = 'layer3.1.conv2.weight';
        const before = await model.read(frozen);
        const [images, shape, labels] = [
          uniform(6 * 3 * 64 * 64, 5),
          [6, 3, 64, 64],
          Int32Array.of(0, 1, 2, 0, 1, 2),
        ] as const;
        const losses: number[] = [];
        for (let step = 0; step < 12; step++)
          losses.push((await session.step(images, shape, labels, Float64Array.of(0.02))).loss);
        assert.ok((losses.at(-1) ?? Number.NaN) < 0.5 * (losses[0] ?? 0), losses.join(', '));
        const drift = await session.drift();
        assert.equal(drift.length, units.length + 1);
        for (const [unit, moved] of drift.entries())
          assert.equal(moved > 0, /^layer4/.test(units[unit] ?? 'layer4'), units[unit] ?? 'head');
        assert.deepEqual(await model.read(frozen), before);
        session.dispose();
        model.dispose();
      });
});

describe('the hash of frozen units', () => {
  it('stays for a ResNet-50, whose feature caches stay valid, and is another for another architecture', async () => {
    const hashOf = async (arch: string, units: number): Promise<string> => {
      const model = newModel({ arch });
      for (const { name } of model.tensors()) if (/^(conv1|bn1|layer1\.0)\./.test(name)) await fill(model, name, 0.25);
      const hash = await model.prefixHash(units);
      model.dispose();
      return hash;
    };
    assert.equal(await hashOf('resnet50', 1), '300a5e70707bd4a37fbfe9f5a39c8d62');
    assert.equal(await hashOf('resnet50', 2), '3f9951e656963ca8667e5d6e5ffbb120');
    for (const other of ['resnet18', 'resnet101']) assert.notEqual(await hashOf(other, 1), await hashOf('resnet50', 1));
    assert.notEqual(await hashOf('resnet101', 2), await hashOf('resnet50', 2));
  });

  it('counts the units of its own architecture', async () => {
    for (const [arch, most] of [
      ['resnet18', 9],
      ['resnet152', 51],
    ] as const) {
      const model = newModel({ arch });
      assert.equal(backboneOf(model).length, most);
      assert.match(await model.prefixHash(most), /^[0-9a-f]{32}$/);
      assert.throws(() => model.prefixHash(most + 1), fails('ERR_INVALID_ARGUMENT', /units/));
      model.dispose();
    }
  });
});
