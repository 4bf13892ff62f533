import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { resolveFreeze } from '../../src/model/freeze.js';
import { headShape } from '../../src/model/head.js';
import { describeUnits } from '../../src/model/units.js';
import { buildGroups, type GroupSpec } from '../../src/optim/groups.js';
import {
  DEFAULT_STRATEGY,
  describePlan,
  overrideRates,
  STRATEGY_NAMES,
  type Strategy,
  strategies,
  strategyOf,
  topRate,
} from '../../src/training/strategies.js';
import { invalid } from '../support/invalid.js';

/** A strategy's plan for two classes, by unit. */
function planOf(strategy: Strategy) {
  const units = describeUnits(headShape(2, strategy.head));
  const plan = resolveFreeze(units, strategy.freeze, { batchNorm: strategy.batchNorm });
  const groups = buildGroups(units, strategy.groups, plan.trainable);
  return { units, plan, groups, rows: describePlan(units, plan, groups) };
}

describe('strategies', () => {
  it('are plain data under their own names, and valid', () => {
    assert.deepEqual(Object.keys(strategies), [...STRATEGY_NAMES]);
    for (const name of STRATEGY_NAMES) {
      const strategy = strategies[name];
      assert.equal(strategy.name, name);
      assert.deepEqual(JSON.parse(JSON.stringify(strategy)), strategy);
      assert.deepEqual(strategyOf({ ...strategy }), strategy);
      assert.equal(strategyOf(name), strategy);
      assert.deepEqual(headShape(2, strategy.head), { classes: 2, hidden: [1024], dropout: 0 });
    }
    assert.equal(DEFAULT_STRATEGY, 'differential');
  });

  it('feature-extraction trains the head alone at 1e-3', () => {
    const { plan, groups } = planOf(strategies['feature-extraction']);
    assert.equal(plan.frozenPrefixUnits, 17);
    assert.deepEqual(
      groups.map(({ lr, weightDecay, parameters }) => [lr, weightDecay, parameters.length]),
      [[1e-3, 0, 4]],
    );
    const { optimizer, schedule, augment } = strategies['feature-extraction'];
    assert.deepEqual([optimizer.kind, schedule, augment], ['adam', { kind: 'constant' }, 'none']);
  });

  it('partial trains what follows the first 26 convolutions at 1e-5, the head too', () => {
    const { plan, groups } = planOf(strategies.partial);
    assert.equal(plan.frozenPrefixUnits, 8);
    assert.deepEqual(
      groups.map(({ lr, parameters }) => [lr, parameters.length]),
      [[1e-5, 27 * 3 + 4]],
    );
    const { optimizer, schedule, augment } = strategies.partial;
    assert.deepEqual([optimizer.kind, schedule, augment], ['adam', { kind: 'constant' }, 'flip']);
  });

  it('differential trains all, at rates that rise from the input to the head', () => {
    const { plan, groups } = planOf(strategies.differential);
    assert.equal(plan.frozenPrefixUnits, 0);
    assert.deepEqual(
      groups.map(({ lr, parameters }) => [lr, parameters.length]),
      [
        [1e-6, 13 * 3],
        [1e-5, 26 * 3],
        [1e-4, 14 * 3],
        [1e-3, 4],
      ],
    );
    const { optimizer, schedule, augment } = strategies.differential;
    assert.deepEqual([optimizer.kind, schedule, augment], ['adam', { kind: 'constant' }, 'standard']);
  });

  it('full trains all at 1e-4 by AdamW, with its usual decay, a warm-up and a cosine', () => {
    const { groups } = planOf(strategies.full);
    assert.deepEqual(
      groups.map(({ lr, weightDecay, parameters }) => [lr, weightDecay, parameters.length]),
      [[1e-4, 0.01, 163]],
    );
    const { optimizer, schedule, augment } = strategies.full;
    assert.deepEqual([optimizer.kind, schedule, augment], ['adamw', { kind: 'cosine', warmupEpochs: 1 }, 'standard']);
  });
});

describe('strategyOf', () => {
  it('takes an edited one', () => {
    const edited: Strategy = { ...strategies.partial, name: 'mine', freeze: { until: 'layer2' }, augment: 'none' };
    assert.deepEqual(strategyOf(edited), edited);
  });

  const { head: _, ...headless } = strategies.full;
  for (const [what, strategy, words] of [
    ['an unknown name', 'diferential', 'Did you mean differential?'],
    ['null', null, 'strategy cannot be null'],
    ['a missing part', headless, 'The strategy lacks head.'],
    [
      'an unknown part',
      { ...strategies.full, optimiser: 'sgd' },
      'A strategy has no option optimiser. Did you mean optimizer?',
    ],
    ['an unknown augmentation', { ...strategies.full, augment: 'mixup' }, 'augment cannot be "mixup"'],
    ['an unknown policy', { ...strategies.full, batchNorm: 'frozen' }, 'batchNorm cannot be "frozen"'],
    ['an unknown freeze rule', { ...strategies.full, freeze: 'stem' }, 'The freeze rule cannot be "stem"'],
    ['a rate of 0', { ...strategies.full, groups: { kind: 'uniform', lr: 0 } }, 'The learning rate lr must be'],
    [
      'a wrong schedule',
      { ...strategies.full, schedule: { kind: 'cosine', warmupEpochs: -1 } },
      'warmupEpochs must be',
    ],
    ['a wrong optimizer', { ...strategies.full, optimizer: { kind: 'adagrad' } }, 'optimizer.kind cannot be "adagrad"'],
    ['a wrong head', { ...strategies.full, head: { hidden: -1 } }, 'head.hidden must be'],
    ['a name that is no text', { ...strategies.full, name: 3 }, 'The name of a strategy must be a string.'],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(() => strategyOf(strategy as never), invalid(words));
    });
  }
});

describe('overrideRates', () => {
  const tiers = strategies.differential.groups;

  it('changes nothing where nothing is given', () => {
    for (const name of STRATEGY_NAMES)
      assert.deepEqual(overrideRates(strategies[name].groups, {}), strategies[name].groups);
  });

  it("sets the last tier's rate; the others keep their ratio to it, the head its rate", () => {
    assert.deepEqual(overrideRates(tiers, { lr: 3e-3 }), {
      kind: 'tiers',
      tiers: [
        { until: 0.25, lr: 3e-5 },
        { until: 0.75, lr: 3e-4 },
        { until: 1, lr: 3e-3 },
      ],
      headLr: 1e-3,
    });
  });

  it("sets the head's rate alone", () => {
    assert.deepEqual(overrideRates(tiers, { headLr: 0.01 }), { ...tiers, headLr: 0.01 });
    assert.deepEqual(overrideRates(strategies.partial.groups, { headLr: 0.01 }), {
      kind: 'uniform',
      lr: 1e-5,
      headLr: 0.01,
    });
  });

  it('sets the rate of all where there is one, and the head follows unless it has its own', () => {
    assert.deepEqual(overrideRates({ kind: 'uniform', lr: 1e-3 }, { lr: 0.5 }), { kind: 'uniform', lr: 0.5 });
    assert.deepEqual(overrideRates({ kind: 'uniform', lr: 1e-3, headLr: 1 }, { lr: 0.5 }), {
      kind: 'uniform',
      lr: 0.5,
      headLr: 1,
    });
    assert.deepEqual(overrideRates(strategies.full.groups, { lr: 0.5, headLr: 1 }), {
      kind: 'uniform',
      lr: 0.5,
      headLr: 1,
      weightDecay: 0.01,
    });
  });

  it("scales rates by unit so that the backbone's fastest has it, and leaves the head's", () => {
    const spec: GroupSpec = { kind: 'byUnit', lr: { layer3: 1e-5, layer4: 1e-4, head: 1e-3 } };
    assert.deepEqual(overrideRates(spec, { lr: 1e-2 }), {
      kind: 'byUnit',
      lr: { layer3: 1e-3, layer4: 1e-2, head: 1e-3 },
    });
    assert.deepEqual(overrideRates({ kind: 'byUnit', lr: { head: 1e-3 } }, { lr: 1e-2 }), {
      kind: 'byUnit',
      lr: { head: 1e-2 },
    });
  });

  it('sets what a layer-wise decay starts from', () => {
    assert.deepEqual(overrideRates({ kind: 'layerDecay', lr: 1e-3, decay: 0.7 }, { lr: 1e-2 }), {
      kind: 'layerDecay',
      lr: 1e-2,
      decay: 0.7,
    });
  });

  it('does not change what it was given', () => {
    const before = structuredClone(tiers);
    overrideRates(tiers, { lr: 1, headLr: 1 });
    assert.deepEqual(tiers, before);
  });

  for (const value of [0, Number.NaN, -1, Number.POSITIVE_INFINITY]) {
    it(`refuses a rate of ${value}, and names the option`, () => {
      assert.throws(() => overrideRates(tiers, { lr: value }), invalid('lr must be a finite number, greater than 0'));
      assert.throws(
        () => overrideRates(tiers, { headLr: value }),
        invalid('headLr must be a finite number, greater than 0'),
      );
    });
  }
});

describe('topRate', () => {
  it("is the backbone's highest, or the head's where there is no other", () => {
    assert.equal(topRate(strategies.differential.groups), 1e-4);
    assert.equal(topRate(strategies.partial.groups), 1e-5);
    assert.equal(topRate({ kind: 'byUnit', lr: { layer4: 1e-4, stem: 1e-5, head: 1e-2 } }), 1e-4);
    assert.equal(topRate({ kind: 'byUnit', lr: { head: 1e-2 } }), 1e-2);
    assert.equal(topRate({ kind: 'byUnit', lr: {}, headLr: 0.1 }), 0.1);
    assert.throws(() => topRate({ kind: 'byUnit', lr: {} }), invalid('name no rate'));
  });
});

describe('describePlan', () => {
  it('has a row a unit, which together count everything', () => {
    for (const name of STRATEGY_NAMES) {
      const { units, plan, groups, rows } = planOf(strategies[name]);
      assert.deepEqual(
        rows.map(({ unit }) => unit),
        units.map((unit) => unit.name),
      );
      const sizes = new Map(
        units.flatMap((unit) => unit.parameters.map((parameter) => [parameter.name, parameter.size])),
      );
      const total = (values: Iterable<number>) => [...values].reduce((sum, value) => sum + value, 0);
      assert.equal(total(rows.map((row) => row.parameters)), total(sizes.values()));
      const trainable = total([...plan.trainable].map((parameter) => sizes.get(parameter) ?? Number.NaN));
      assert.equal(total(rows.map((row) => row.trainable)), trainable);
      assert.deepEqual(
        new Set(rows.flatMap((row) => row.groups.map((group) => group.name))),
        new Set(groups.map((group) => group.name)),
      );
    }
  });

  it('shows a unit that two tiers share', () => {
    const row = planOf(strategies.differential).rows[4];
    assert.equal(row?.unit, 'layer2.0');
    assert.deepEqual(
      row?.groups.map(({ lr }) => lr),
      [1e-6, 1e-5],
    );
    assert.equal(row?.batchNorm, 'train');
  });

  it('shows what is frozen, and what is so in part', () => {
    const { rows } = planOf(strategies.partial);
    assert.deepEqual(rows[0], { unit: 'stem', parameters: 9536, trainable: 0, batchNorm: 'eval', groups: [] });
    assert.equal(rows[8]?.batchNorm, 'mixed');
    assert.ok((rows[8]?.trainable ?? 0) > 0 && (rows[8]?.trainable ?? 0) < (rows[8]?.parameters ?? 0));
    assert.equal(rows[17]?.batchNorm, 'none');
    assert.equal(rows[17]?.trainable, 2048 * 1024 + 1024 + 1024 * 2 + 2);
  });
});
