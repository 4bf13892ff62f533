import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { ResNet50 } from '../../src/model/resnet50.js';
import { groups } from '../../src/optim/groups.js';
import { optimizers } from '../../src/optim/optimizers.js';
import type { TrainOptions } from '../../src/training/options.js';
import { overrideStrategy } from '../../src/training/overrides.js';
import { type RunSettings, resolveConditions, resolveSettings } from '../../src/training/settings.js';
import { strategies } from '../../src/training/strategies.js';
import { tinyModel } from './support/tiny.js';

function invalid(message: RegExp): { code: string; message: RegExp } {
  return { code: 'ERR_INVALID_ARGUMENT', message };
}

describe('the settings of a run', () => {
  let model: ResNet50;
  before(async () => {
    model = await tinyModel();
  });
  after(() => model.dispose());

  const settings = (options: TrainOptions = {}): RunSettings => resolveSettings(model, options);

  it('are the differential strategy, ten epochs of batches of 32 at 224 pixels, unless told otherwise', () => {
    const plain = settings();
    assert.equal(plain.strategy, 'differential');
    assert.equal(plain.freeze, 'none');
    assert.deepEqual([plain.epochs, plain.batchSize, plain.imageSize, plain.resize, plain.seed], [10, 32, 224, 256, 0]);
    assert.deepEqual(
      plain.groups.map(({ lr }) => lr),
      [1e-6, 1e-5, 1e-4, 1e-3],
    );
    assert.equal(plain.batchNormTraining.length, 53);
    assert.equal(settings({ imageSize: 112 }).resize, 128);
  });

  it('are written in one order, whatever the order of the options', () => {
    const order = Object.keys(settings({ cacheViews: 1, seed: 3, epochs: 2, freeze: 'backbone' }));
    assert.deepEqual(order.slice(0, 9), [
      'strategy',
      'freeze',
      'batchNorm',
      'batchNormTraining',
      'frozenPrefixUnits',
      'groups',
      'optimizer',
      'schedule',
      'augment',
    ]);
    assert.deepEqual(order.slice(9, 14), ['epochs', 'batchSize', 'imageSize', 'resize', 'seed']);
  });

  it('take a strategy as a value, and replace parts of it', () => {
    const own = { ...strategies.full, name: 'mine' };
    const changed = settings({ strategy: own, schedule: 'linear', optimizer: 'sgd', weightDecay: 0.2, lr: 0.5 });
    assert.equal(changed.strategy, 'mine');
    assert.deepEqual(changed.schedule, { kind: 'linear', warmupEpochs: 1 });
    assert.deepEqual(changed.optimizer, optimizers.sgd());
    assert.deepEqual(
      changed.groups.map(({ lr, weightDecay }) => [lr, weightDecay]),
      [[0.5, 0.2]],
    );
    const custom = settings({ schedule: () => 1 });
    assert.deepEqual(custom.schedule, { kind: 'custom' });
  });

  it('take groups of the caller, which must hold every trainable parameter once', () => {
    const freeze = 'backbone';
    const trainable = new Set(['fc.weight', 'fc.bias']);
    const own = groups.uniform(model.units(), { lr: 0.1, trainable });
    assert.deepEqual(settings({ freeze, groups: own }).groups, own);
    assert.throws(() => settings({ groups: own }), invalid(/are in no group, the first of them conv1\.weight/));
    const all = groups.uniform(model.units(), { lr: 0.1 });
    assert.throws(() => settings({ freeze, groups: all }), invalid(/conv1\.weight, which is frozen/));
    assert.throws(() => settings({ freeze, groups: own, lr: 0.1 }), invalid(/Leave lr out/));
    const twice = [...own, { name: 'again', parameters: ['fc.bias'], lr: 1, weightDecay: 0 }];
    assert.throws(() => settings({ freeze, groups: twice }), invalid(/fc\.bias is in more than one group/));
  });

  it('are refused out of range, unknown or contradictory, by name', () => {
    assert.throws(() => settings({ lr: 0 }), invalid(/lr/));
    assert.throws(() => settings({ headLr: Number.NaN }), invalid(/headLr/));
    assert.throws(() => settings({ epochs: 0 }), invalid(/epochs/));
    assert.throws(() => settings({ batchSize: 2.5 }), invalid(/batchSize/));
    assert.throws(() => settings({ imageSize: 31 }), invalid(/imageSize.*32/));
    assert.throws(() => settings({ precision: 'bf61' as never }), invalid(/Did you mean bf16/));
    assert.throws(() => settings({ optimizer: 'adamm' as never }), invalid(/Did you mean adam/));
    assert.throws(() => settings({ augment: 'flipp' as never }), invalid(/Did you mean flip/));
    assert.throws(() => settings({ strategy: 'ful' as never }), invalid(/Did you mean full/));
    assert.throws(() => settings({ lrTiers: [{ until: 1, lr: 1 }], layerDecay: 0.5 }), invalid(/exclude each other/));
    assert.throws(() => settings({ schedule: () => 1, warmupEpochs: 1 }), invalid(/Leave warmupEpochs out/));
  });

  it('are apart from the conditions, which change no weight', () => {
    const { out, workers } = resolveConditions({ out: 'runs/a', workers: 3 });
    assert.deepEqual([out, workers], [resolve('runs/a'), 3]);
    assert.throws(() => resolveConditions({ epoch: 3 } as never), invalid(/Did you mean epochs/));
    assert.throws(() => resolveConditions({ out: '' }), invalid(/out/));
    assert.throws(() => resolveConditions({ workers: 0 }), invalid(/workers/));
    assert.throws(() => resolveConditions({ signal: 1 as never }), invalid(/signal/));
    assert.throws(() => resolveConditions({ overwrite: 'yes' as never }), invalid(/overwrite/));
    assert.throws(() => resolveConditions({ cudaGraph: 1 as never }), invalid(/cudaGraph/));
    assert.throws(() => resolveConditions({ resume: true, out: 'a', overwrite: true }), invalid(/exclude/));
  });
});

describe('overriding a strategy', () => {
  it('changes the rate of the last tier and keeps the others in ratio, and the head apart', () => {
    const { groups: spec } = overrideStrategy(strategies.differential, { lr: 1e-3 });
    assert.ok(spec.kind === 'tiers');
    assert.deepEqual(
      spec.tiers.map(({ lr }) => lr),
      [1e-5, 1e-4, 1e-3],
    );
    assert.equal(spec.headLr, 1e-3);
  });

  it('replaces the groups by tiers or by a decay from layer to layer', () => {
    const tiers = [{ until: 1, lr: 0.5 }];
    assert.deepEqual(overrideStrategy(strategies.full, { lrTiers: tiers }).groups, {
      kind: 'tiers',
      tiers,
      weightDecay: 0.01,
    });
    assert.deepEqual(overrideStrategy(strategies.partial, { layerDecay: 0.7, decayNormBias: false }).groups, {
      kind: 'layerDecay',
      lr: 1e-5,
      decay: 0.7,
      noDecayNormBias: true,
    });
  });

  it('changes nothing when nothing is given', () => {
    assert.deepEqual(overrideStrategy(strategies.full, {}), strategies.full);
  });
});
