import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { resolveFreeze } from '../../src/model/freeze.js';
import { backboneOf, describeUnits } from '../../src/model/units.js';
import { buildGroups, type GroupSpec, groups, type ParameterGroup, parseLrTiers } from '../../src/optim/groups.js';
import { invalid } from '../support/invalid.js';

const units = describeUnits({ classes: 2, hidden: [1024], dropout: 0 });
const all = units.flatMap((unit) => unit.parameters);
const names = all.map(({ name }) => name);
const TIERS = [
  { until: 0.25, lr: 1e-6 },
  { until: 0.75, lr: 1e-5 },
  { until: 1, lr: 1e-4 },
];

const outline = (found: readonly ParameterGroup[]) =>
  found.map(({ name, lr, parameters }) => [name, lr, parameters.length]);

function assertEachOnce(found: readonly ParameterGroup[], expected: readonly string[]): void {
  assert.deepEqual(found.flatMap(({ parameters }) => parameters).sort(), [...expected].sort());
  assert.equal(new Set(found.map(({ name }) => name)).size, found.length);
  assert.ok(found.every(({ parameters }) => parameters.length > 0));
}

const SPECS: readonly GroupSpec[] = [
  { kind: 'uniform', lr: 1e-3 },
  { kind: 'uniform', lr: 1e-3, headLr: 1e-2 },
  { kind: 'tiers', tiers: TIERS, headLr: 1e-3 },
  {
    kind: 'tiers',
    tiers: [
      { until: 0.01, lr: 1e-6 },
      { until: 1, lr: 1e-5 },
    ],
  },
  {
    kind: 'byUnit',
    lr: { stem: 1e-6, layer1: 1e-6, layer2: 1e-5, layer3: 1e-5, 'layer3.5': 1e-4, layer4: 1e-4, head: 1e-3 },
  },
  { kind: 'layerDecay', lr: 1e-3, decay: 0.75 },
];

describe('every kind of groups', () => {
  for (const spec of SPECS) {
    for (const decay of [{}, { weightDecay: 0.05 }, { weightDecay: 0.05, noDecayNormBias: true }]) {
      it(`holds each trainable parameter once: ${JSON.stringify({ ...spec, ...decay })}`, () => {
        assertEachOnce(buildGroups(units, { ...spec, ...decay }), names);
        for (const rule of ['backbone', { until: 'layer2.1' }, { fraction: 0.5 }, { match: 'bn|fc' }] as const) {
          const { trainable } = resolveFreeze(units, rule);
          assertEachOnce(buildGroups(units, { ...spec, ...decay }, trainable), [...trainable]);
        }
      });
    }
  }

  it('gives a group the same name, rate and decay whatever is frozen', () => {
    const spec: GroupSpec = { kind: 'tiers', tiers: TIERS, weightDecay: 0.1, noDecayNormBias: true };
    const whole = new Map(buildGroups(units, spec).map(({ parameters: _, ...rest }) => [rest.name, rest]));
    const { trainable } = resolveFreeze(units, { fraction: 0.5 });
    for (const { parameters: _, ...rest } of buildGroups(units, spec, trainable)) {
      assert.deepEqual(rest, whole.get(rest.name));
    }
  });
});

describe('groups.uniform', () => {
  it('is one group', () => {
    assert.deepEqual(groups.uniform(units, { lr: 1e-5 }), [
      { name: 'all', parameters: names, lr: 1e-5, weightDecay: 0 },
    ]);
  });

  it('has one for the head where it has a rate of its own', () => {
    assert.deepEqual(outline(groups.uniform(units, { lr: 1e-5, headLr: 1e-3 })), [
      ['backbone', 1e-5, 159],
      ['head', 1e-3, 4],
    ]);
  });
});

describe('groups.tiers', () => {
  it("divides the backbone's convolutions by fraction, each with its BatchNorm", () => {
    const found = groups.tiers(units, { tiers: TIERS, headLr: 1e-3 });
    assert.deepEqual(outline(found), [
      ['tier1: stem … layer2.0', 1e-6, 3 * 13],
      ['tier2: layer2.0 … layer3.4', 1e-5, 3 * 26],
      ['tier3: layer3.4 … layer4.2', 1e-4, 3 * 14],
      ['head', 1e-3, 4],
    ]);
    const holder = new Map(found.flatMap(({ lr, parameters }) => parameters.map((name) => [name, lr] as const)));
    const { convolutions, batchNorms } = backboneOf(units);
    convolutions.forEach((name, index) => {
      const lr = index < 13 ? 1e-6 : index < 39 ? 1e-5 : 1e-4;
      assert.equal(holder.get(`${name}.weight`), lr, name);
      assert.equal(holder.get(`${batchNorms[index]}.bias`), lr, name);
    });
  });

  it("gives the head the last tier's rate by default", () => {
    assert.equal(groups.tiers(units, { tiers: TIERS }).at(-1)?.lr, 1e-4);
  });

  it('names a tier within one unit by it alone, and drops one without a convolution', () => {
    const tiers = [0.01, 0.02, 1].map((until) => ({ until, lr: until }));
    assert.deepEqual(
      groups.tiers(units, { tiers }).map(({ name }) => name),
      ['tier2: stem', 'tier3: layer1.0 … layer4.2', 'head'],
    );
  });

  for (const [what, tiers, words] of [
    ['no tiers', [], 'tiers must be an array of at least one'],
    ['what is no array', 1e-4, 'tiers must be an array of at least one'],
    [
      'tiers that do not rise',
      [
        { until: 0.5, lr: 1 },
        { until: 0.5, lr: 1 },
      ],
      'tiers[1].until must be a finite number, greater than 0.5',
    ],
    ['a tier beyond 1', [{ until: 1.5, lr: 1 }], 'tiers[0].until'],
    ['tiers that stop short', [{ until: 0.9, lr: 1 }], 'must reach 1, the whole backbone, not 0.9'],
    [
      'a rate of 0',
      [{ until: 1, lr: 0 }],
      'The learning rate tiers[0].lr must be a finite number, greater than 0, not 0.',
    ],
    ['a rate that is NaN', [{ until: 1, lr: Number.NaN }], 'The learning rate tiers[0].lr'],
    ['an unknown key', [{ untill: 1, lr: 1 }], 'Did you mean until?'],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(() => groups.tiers(units, { tiers } as never), invalid(words));
    });
  }
});

describe('groups.byUnit', () => {
  it("takes a unit's own rate before its stage's, and headLr before the head's", () => {
    const lr = { stem: 1, layer1: 2, 'layer1.1': 3, layer2: 4, layer3: 5, layer4: 6, head: 7 };
    const rates = new Map(groups.byUnit(units, { lr, headLr: 8 }).map((group) => [group.name, group.lr]));
    assert.deepEqual(
      ['stem', 'layer1.0', 'layer1.1', 'layer1.2', 'layer2.3', 'head'].map((name) => rates.get(name)),
      [1, 2, 3, 2, 4, 8],
    );
  });

  it('takes a function of the unit', () => {
    const found = groups.byUnit(units, { lr: ({ index }) => index + 1 });
    assert.equal(found.length, 18);
    assert.equal(found[17]?.lr, 18);
  });

  it('needs no rate for what is frozen, and one for what trains', () => {
    const { trainable } = resolveFreeze(units, { until: 'layer4.1' });
    assert.deepEqual(
      groups.byUnit(units, { lr: { layer4: 1e-4, head: 1e-3 }, trainable }).map(({ name }) => name),
      ['layer4.2', 'head'],
    );
    assert.throws(() => groups.byUnit(units, { lr: { layer4: 1e-4 }, trainable }), invalid('has no rate for head'));
  });

  for (const [what, lr, words] of [
    ['a unit that is not', { layer5: 1e-3 }, 'The unit that lr names cannot be "layer5"'],
    ['a rate of 0, though nothing of the unit trains', { layer1: 0, head: 1 }, 'The learning rate lr of layer1'],
    ['a function that gives NaN', () => Number.NaN, 'The learning rate lr of stem must be'],
    ['a number', 1e-3, 'lr by unit must be an object'],
    ['no rate', undefined, 'lr by unit must be an object'],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(() => groups.byUnit(units, { lr } as never), invalid(words));
    });
  }
});

describe('groups.layerDecay', () => {
  it('multiplies by the decay for every unit away from the head', () => {
    const found = groups.layerDecay(units, { lr: 1e-3, decay: 0.5 });
    const rates = new Map(found.map(({ name, lr }) => [name, lr]));
    assert.equal(rates.get('head'), 1e-3);
    assert.equal(rates.get('layer4.2'), 5e-4);
    assert.equal(rates.get('layer4.0'), 1.25e-4);
    assert.equal(rates.get('stem'), 1e-3 * 0.5 ** 17);
  });

  it('leaves the other rates where the head has one of its own', () => {
    const rates = new Map(
      groups.layerDecay(units, { lr: 1e-3, decay: 0.5, headLr: 1e-2 }).map(({ name, lr }) => [name, lr]),
    );
    assert.equal(rates.get('head'), 1e-2);
    assert.equal(rates.get('layer4.2'), 5e-4);
  });

  it('refuses a decay outside (0, 1], and one that leaves nothing of a rate', () => {
    for (const decay of [0, 1.1, Number.NaN]) {
      assert.throws(() => groups.layerDecay(units, { lr: 1e-3, decay }), invalid('decay must be'));
    }
    assert.throws(() => groups.layerDecay(units, { lr: 1e-3, decay: 1e-30 }), invalid('The learning rate of stem'));
  });
});

describe('weight decay', () => {
  it('is 0 by default and one for all', () => {
    assert.deepEqual(
      new Set(groups.layerDecay(units, { lr: 1, decay: 0.5 }).map(({ weightDecay }) => weightDecay)),
      new Set([0]),
    );
    assert.equal(groups.uniform(units, { lr: 1, weightDecay: 0.01 })[0]?.weightDecay, 0.01);
  });

  it('spares BatchNorm and biases in groups of their own', () => {
    const found = groups.uniform(units, { lr: 1, headLr: 2, weightDecay: 0.01, noDecayNormBias: true });
    assert.deepEqual(
      found.map(({ name, weightDecay, parameters }) => [name, weightDecay, parameters.length]),
      [
        ['backbone', 0.01, 53],
        ['backbone (no decay)', 0, 106],
        ['head', 0.01, 2],
        ['head (no decay)', 0, 2],
      ],
    );
    assert.ok(found[1]?.parameters.every((name) => /bn\d\.|downsample\.1\./.test(name)));
    assert.deepEqual(found[3]?.parameters, ['fc.0.bias', 'fc.3.bias']);
  });

  it('splits nothing where there is none to spare', () => {
    assert.equal(groups.uniform(units, { lr: 1, noDecayNormBias: true }).length, 1);
  });
});

describe('options of groups that are wrong', () => {
  for (const [what, options, words] of [
    ['a rate of 0', { lr: 0 }, 'The learning rate lr must be a finite number, greater than 0, not 0.'],
    ['a rate that is NaN', { lr: Number.NaN }, 'The learning rate lr must be'],
    ['a rate below 0', { lr: -1e-3 }, 'The learning rate lr must be'],
    ['no rate', {}, 'The learning rate lr must be a finite number, greater than 0, not undefined.'],
    ['a head rate of 0', { lr: 1, headLr: 0 }, 'The learning rate headLr must be'],
    ['a weight decay below 0', { lr: 1, weightDecay: -1 }, 'weightDecay must be'],
    ['a switch that is a number', { lr: 1, noDecayNormBias: 1 }, 'noDecayNormBias must be true or false'],
    [
      'an unknown option',
      { lr: 1, headLR: 1, weightdecay: 0 },
      'groups.uniform() has no option headLR. Did you mean headLr?',
    ],
    ['a parameter that is not', { lr: 1, trainable: new Set(['fc.weight']) }, 'trainable holds fc.weight'],
    ['nothing that trains', { lr: 1, trainable: new Set() }, 'trainable is empty'],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(() => groups.uniform(units, options as never), invalid(words));
    });
  }

  for (const [what, spec, words] of [
    [
      'an unknown kind',
      { kind: 'tier', lr: 1 },
      'The kind of groups cannot be "tier": it is one of uniform, tiers, byUnit, layerDecay. Did you mean tiers?',
    ],
    ['an option of another kind', { kind: 'uniform', lr: 1, decay: 0.5 }, 'groups.uniform() has no option decay'],
    ['a function in plain data', { kind: 'byUnit', lr: () => 1 }, 'A function is no plain data'],
    ['null', null, 'must be an object with a kind, not null'],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(() => buildGroups(units, spec as never), invalid(words));
    });
  }
});

describe('parseLrTiers', () => {
  it('reads what the command line writes', () => {
    assert.deepEqual(parseLrTiers('0.25:1e-6, 0.75:1e-5, 1:1e-4'), TIERS);
    assert.deepEqual(parseLrTiers('1:3e-4'), [{ until: 1, lr: 3e-4 }]);
  });

  for (const [text, words] of [
    ['', '"" is not'],
    ['1', '"1" is not'],
    ['0.5:1e-4:3,1:1e-3', '"0.5:1e-4:3" is not'],
    ['0.5:fast,1:1e-3', '"0.5:fast" is not'],
    ['half:1e-4,1:1e-3', '"half:1e-4" is not'],
    ['0.5:1e-4,', '"" is not'],
    ['0.5:,1:1e-3', '"0.5:" is not'],
    ['0.5:0,1:1e-3', 'The learning rate tiers[0].lr'],
    ['0.75:1e-5,0.25:1e-6,1:1e-4', 'tiers[1].until'],
    ['0.25:1e-6,0.75:1e-5', 'must reach 1'],
  ] as const) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseLrTiers(text), invalid(words));
    });
  }
});
