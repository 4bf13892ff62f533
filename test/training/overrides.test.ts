import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { optimizers } from '../../src/optim/optimizers.js';
import type { StrategyOverrides } from '../../src/training/options.js';
import { overrideStrategy } from '../../src/training/overrides.js';
import { STRATEGY_NAMES, strategies } from '../../src/training/strategies.js';
import { invalid } from '../support/invalid.js';

const { differential, full, partial } = strategies;

describe('overrideStrategy', () => {
  it('changes nothing where nothing is given', () => {
    for (const name of STRATEGY_NAMES) assert.deepEqual(overrideStrategy(strategies[name], {}), strategies[name]);
  });

  it('replaces parts one by one', () => {
    const found = overrideStrategy(partial, {
      freeze: { until: 'layer2' },
      batchNorm: 'eval',
      optimizer: 'sgd',
      schedule: 'cosine',
      warmupEpochs: 0.5,
      augment: 'none',
      weightDecay: 1e-4,
      decayNormBias: false,
    });
    assert.deepEqual(found, {
      ...partial,
      freeze: { until: 'layer2' },
      batchNorm: 'eval',
      groups: { kind: 'uniform', lr: 1e-5, weightDecay: 1e-4, noDecayNormBias: true },
      optimizer: { kind: 'sgd', momentum: 0.9, dampening: 0, nesterov: false },
      schedule: { kind: 'cosine', warmupEpochs: 0.5 },
      augment: 'none',
    });
  });

  it('changes parts of the augmentation, and keeps the others', () => {
    const augment = (base: typeof full.augment, o: StrategyOverrides) =>
      overrideStrategy({ ...full, augment: base }, o).augment;
    const varied = { policy: 'standard', cropScale: [0.5, 1], randomErasing: 0.25 } as const;
    assert.deepEqual(augment('standard', { randomErasing: 0.25 }), { policy: 'standard', randomErasing: 0.25 });
    assert.deepEqual(augment(varied, { colorJitter: 0.4 }), { ...varied, colorJitter: 0.4 });
    assert.deepEqual(augment(varied, { randomErasing: 0 }), { policy: 'standard', cropScale: [0.5, 1] });
    // Another augmentation is all of it.
    assert.equal(augment(varied, { augment: 'flip' }), 'flip');
    assert.deepEqual(augment(varied, { augment: { policy: 'none', grayscale: 0.1 }, verticalFlip: 0.5 }), {
      policy: 'none',
      verticalFlip: 0.5,
      grayscale: 0.1,
    });
    assert.throws(
      () => augment('flip', { cropScale: [0.5, 1] }),
      invalid('cropScale (--crop-scale) is for random crops'),
    );
    assert.throws(() => augment('flip', { cropScale: [0.5, 2] }), invalid('cropScale'));
    assert.throws(() => augment('flip', { randomErasing: 1.5 }), invalid('randomErasing'));
  });

  it('gives lr to the head where only the head trains, and headLr before it', () => {
    const head = (o: StrategyOverrides) => overrideStrategy(differential, { freeze: 'backbone', ...o }).groups.headLr;
    assert.equal(head({ lr: 0.1 }), 0.1);
    assert.equal(head({ lr: 0.1, headLr: 0.2 }), 0.2);
    assert.equal(head({}), 1e-3);
    assert.equal(overrideStrategy(differential, { lr: 0.1 }).groups.headLr, 1e-3);
  });

  it("replaces the groups, and keeps the head's rate and the decay", () => {
    const lrTiers = [
      { until: 0.5, lr: 1e-6 },
      { until: 1, lr: 1e-5 },
    ];
    assert.deepEqual(overrideStrategy(differential, { lrTiers }).groups, {
      kind: 'tiers',
      tiers: lrTiers,
      headLr: 1e-3,
    });
    assert.deepEqual(overrideStrategy(full, { layerDecay: 0.7 }).groups, {
      kind: 'layerDecay',
      lr: 1e-4,
      decay: 0.7,
      weightDecay: 0.01,
    });
    assert.deepEqual(overrideStrategy(differential, { layerDecay: 0.7, lr: 1 }).groups, {
      kind: 'layerDecay',
      lr: 1,
      decay: 0.7,
      headLr: 1e-3,
    });
  });

  it('replaces settings of the optimizer, of the one that is named or of its own', () => {
    const options = { momentum: 0.8, nesterov: true };
    assert.deepEqual(
      overrideStrategy(full, { optimizer: 'sgd', optimizerOptions: options }).optimizer,
      optimizers.sgd(options),
    );
    assert.deepEqual(
      overrideStrategy(full, { optimizerOptions: { beta2: 0.99 } }).optimizer,
      optimizers.adamW({ betas: [0.9, 0.99] }),
    );
  });

  it("brings AdamW's usual decay with it, where nothing says otherwise", () => {
    const decay = (o: StrategyOverrides) => overrideStrategy(differential, o).groups.weightDecay;
    assert.equal(decay({ optimizer: 'adamw' }), 0.01);
    assert.equal(decay({ optimizer: 'adamw', weightDecay: 0 }), 0);
    assert.equal(decay({ optimizer: 'adamw', groups: { kind: 'uniform', lr: 1 } }), undefined);
    assert.equal(decay({ optimizer: 'sgd' }), undefined);
    assert.equal(overrideStrategy(full, { optimizer: 'sgd' }).groups.weightDecay, 0.01);
    assert.equal(decay({ optimizer: 'lion' }), undefined);
  });

  it('keeps the warm-up for another kind of schedule, and not the floor', () => {
    const base = { ...full, schedule: { kind: 'cosine', warmupEpochs: 2, floor: 0.1 } } as const;
    assert.deepEqual(overrideStrategy(base, { schedule: 'linear' }).schedule, { kind: 'linear', warmupEpochs: 2 });
    assert.deepEqual(overrideStrategy(base, { schedule: 'polynomial', schedulePower: 0.9 }).schedule, {
      kind: 'polynomial',
      warmupEpochs: 2,
      power: 0.9,
    });
    assert.deepEqual(overrideStrategy(base, { schedule: 'cosine' }).schedule, base.schedule);
    assert.deepEqual(overrideStrategy(base, { lrFloor: 0.2 }).schedule, { ...base.schedule, floor: 0.2 });
    assert.deepEqual(overrideStrategy(base, { schedule: 'one-cycle' }).schedule, { kind: 'one-cycle' });
    const falls = { schedule: 'multi-step', scheduleMilestones: [3, 6], scheduleGamma: 0.5 } as const;
    assert.deepEqual(overrideStrategy(base, falls).schedule, {
      kind: 'multi-step',
      warmupEpochs: 2,
      milestoneEpochs: [3, 6],
      gamma: 0.5,
    });
    assert.deepEqual(overrideStrategy(base, { schedule: { kind: 'cosine' } }).schedule, { kind: 'cosine' });
    assert.deepEqual(overrideStrategy(base, { schedule: 'constant', warmupEpochs: 0 }).schedule, {
      kind: 'constant',
      warmupEpochs: 0,
    });
  });

  for (const [what, overrides, words] of [
    ['a rate of 0', { lr: 0 }, 'lr must be'],
    ['a head rate that is NaN', { headLr: Number.NaN }, 'headLr must be'],
    ['a weight decay below 0', { weightDecay: -1 }, 'weightDecay must be'],
    ['tiers and a decay by layer', { lrTiers: [{ until: 1, lr: 1 }], layerDecay: 0.5 }, 'exclude each other'],
    ['tiers that are none', { lrTiers: 1e-4 }, 'tiers must be an array'],
    ['a decay by layer above 1', { layerDecay: 2 }, 'layerDecay must be'],
    [
      'a rate beside groups of its own',
      { groups: [{ name: 'a', parameters: ['fc.bias'], lr: 1, weightDecay: 0 }], lr: 1 },
      'Leave lr out',
    ],
    ['a power beside a function', { schedule: () => 1, schedulePower: 2 }, 'Leave schedulePower out'],
    [
      'a power of another schedule',
      { schedule: 'cosine', schedulePower: 2 },
      'schedulePower is for the schedule polynomial, and this is cosine. Leave it out.',
    ],
    ['milestones that are none', { schedule: 'multi-step' }, 'The schedule multi-step needs scheduleMilestones.'],
    ['a floor of steps', { schedule: 'step', lrFloor: 0.1 }, 'lrFloor is for the schedule cosine or linear or'],
    ['a power of 0', { schedule: 'polynomial', schedulePower: 0 }, 'schedulePower must be'],
    ['a warm-up beside a function', { schedule: () => 1, warmupEpochs: 1 }, 'Leave warmupEpochs out'],
    ['an unknown optimizer', { optimizer: 'adamm' }, 'Did you mean adam?'],
    [
      'a setting of another optimizer',
      { optimizer: 'rmsprop', optimizerOptions: { centred: true } },
      'The optimizer rmsprop has no option centred. Did you mean centered?',
    ],
    ['settings that are a list', { optimizerOptions: [0.9] }, 'optimizerOptions must be settings by name'],
    ['an unknown schedule', { schedule: 'cosin' }, 'Did you mean cosine?'],
    ['an unknown augmentation', { augment: 'flop' }, 'Did you mean flip?'],
    ['an unknown freeze rule', { freeze: 'all' }, 'The freeze rule cannot be "all"'],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(() => overrideStrategy(differential, overrides as never), invalid(words));
    });
  }
});
