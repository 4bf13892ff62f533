import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { checkFreezeRule, type FreezeRule, freezesBackbone, resolveFreeze, shareOf } from '../../src/model/freeze.js';
import { backboneOf, describeUnits } from '../../src/model/units.js';
import { invalid } from '../support/invalid.js';

const units = describeUnits({ classes: 2, hidden: [1024], dropout: 0 });
const all = units.flatMap((unit) => unit.parameters.map(({ name }) => name));
const { convolutions, batchNorms } = backboneOf(units);
const backbone = all.filter((name) => !name.startsWith('fc.'));

/** The parameters that a rule freezes. */
function frozen(rule: FreezeRule): readonly string[] {
  const { trainable } = resolveFreeze(units, rule);
  return all.filter((name) => !trainable.has(name));
}

const upTo = (last: string) => {
  const index = units.findIndex(({ name }) => name === last);
  return units.slice(0, index + 1).flatMap((unit) => unit.parameters.map(({ name }) => name));
};

describe('resolveFreeze', () => {
  it('freezes nothing', () => {
    const plan = resolveFreeze(units, 'none');
    assert.deepEqual([...plan.trainable], all);
    assert.deepEqual(plan.batchNormTraining, batchNorms);
    assert.equal(plan.frozenPrefixUnits, 0);
  });

  it('freezes the backbone, and leaves the head', () => {
    const plan = resolveFreeze(units, 'backbone');
    assert.deepEqual([...plan.trainable], ['fc.0.weight', 'fc.0.bias', 'fc.3.weight', 'fc.3.bias']);
    assert.deepEqual(plan.batchNormTraining, []);
    assert.equal(plan.frozenPrefixUnits, 17);
  });

  for (const [until, last, prefix] of [
    ['stem', 'stem', 1],
    ['layer1', 'layer1.2', 4],
    ['layer3', 'layer3.5', 14],
    ['layer3.2', 'layer3.2', 11],
    ['layer4', 'layer4.2', 17],
  ] as const) {
    it(`freezes until ${until}, it included`, () => {
      assert.deepEqual(frozen({ until }), upTo(last));
      assert.equal(resolveFreeze(units, { until }).frozenPrefixUnits, prefix);
    });
  }

  it('freezes the first floor(fraction · 53) convolutions, each with its BatchNorm', () => {
    assert.equal(shareOf(0.5, 53), 26);
    const names = frozen({ fraction: 0.5 });
    assert.equal(names.length, 3 * 26);
    for (const [index, name] of convolutions.entries()) {
      assert.equal(names.includes(`${name}.weight`), index < 26, name);
      assert.equal(names.includes(`${batchNorms[index]}.weight`), index < 26, name);
      assert.equal(names.includes(`${batchNorms[index]}.bias`), index < 26, name);
    }
  });

  it('cuts through a unit, which then ends the frozen prefix', () => {
    const plan = resolveFreeze(units, { fraction: 0.5 });
    assert.ok(!plan.trainable.has('layer3.0.conv2.weight'));
    assert.ok(plan.trainable.has('layer3.0.conv3.weight'));
    assert.equal(plan.frozenPrefixUnits, 8);
    assert.equal(plan.batchNormTraining[0], 'layer3.0.bn3');
    assert.equal(plan.batchNormTraining.length, 27);
  });

  it('takes fractions of k/53 for k convolutions, however they round', () => {
    for (let k = 0; k <= 53; k++) assert.equal(shareOf(k / 53, 53), k);
  });

  it('takes the ends of the range', () => {
    assert.deepEqual(frozen({ fraction: 0 }), []);
    assert.deepEqual(frozen({ fraction: 1 }), backbone);
    assert.deepEqual(frozen({ fraction: 0.018 }), []);
  });

  it('freezes what a pattern matches, as text, RegExp, global or not', () => {
    const expected = all.filter((name) => /^layer[12]\./.test(name));
    for (const match of ['^layer[12]\\.', /^layer[12]\./, /^layer[12]\./g]) {
      assert.deepEqual(frozen({ match }), expected);
    }
    assert.deepEqual(frozen({ match: 'bn2' }).length, 32);
    assert.equal(resolveFreeze(units, { match: '^(layer1|conv1|bn1)' }).frozenPrefixUnits, 4);
  });

  it('may freeze the head and train the backbone', () => {
    assert.deepEqual(frozen({ match: '^fc' }), ['fc.0.weight', 'fc.0.bias', 'fc.3.weight', 'fc.3.bias']);
  });

  it('does not hold frozen units behind a trainable one for a prefix', () => {
    assert.equal(resolveFreeze(units, { match: '^layer' }).frozenPrefixUnits, 0);
  });
});

describe('BatchNorm policies', () => {
  it('follow: training mode where scale or shift trains', () => {
    const { batchNormTraining } = resolveFreeze(units, { match: 'bn1\\.weight$|bn2\\.(weight|bias)$' });
    assert.ok(batchNormTraining.includes('layer1.0.bn1'));
    assert.ok(!batchNormTraining.includes('layer1.0.bn2'));
    assert.ok(batchNormTraining.includes('layer1.0.bn3'));
  });

  it('eval: none, whatever trains', () => {
    const plan = resolveFreeze(units, 'none', { batchNorm: 'eval' });
    assert.deepEqual(plan.batchNormTraining, []);
    assert.equal(plan.frozenPrefixUnits, 0);
  });

  it('train: all, so that a frozen backbone is no prefix', () => {
    const plan = resolveFreeze(units, 'backbone', { batchNorm: 'train' });
    assert.deepEqual(plan.batchNormTraining, batchNorms);
    assert.equal(plan.frozenPrefixUnits, 0);
  });
});

describe('freezesBackbone', () => {
  for (const [rule, expected] of [
    ['backbone', true],
    ['none', false],
    [{ until: 'layer4' }, true],
    [{ until: 'layer4.2' }, true],
    [{ until: 'layer4.1' }, false],
    [{ fraction: 1 }, true],
    [{ fraction: 0.99 }, false],
    [{ match: '^(?!fc)' }, true],
    [{ match: '^fc' }, false],
  ] as const) {
    it(`${JSON.stringify(rule)}: ${expected}`, () => {
      assert.equal(freezesBackbone(rule, units), expected);
    });
  }
});

describe('a rule for another member of the family', () => {
  const head = { classes: 2, hidden: [], dropout: 0 };
  const small = describeUnits(head, 'resnet18');
  const deep = describeUnits(head, 'resnet101');

  it('counts its own units', () => {
    assert.equal(resolveFreeze(small, 'backbone').frozenPrefixUnits, 9);
    assert.equal(resolveFreeze(deep, { until: 'layer3' }).frozenPrefixUnits, 31);
    assert.equal(resolveFreeze(deep, { until: 'layer3.22' }).frozenPrefixUnits, 31);
    assert.equal(freezesBackbone({ until: 'layer4.1' }, small), true);
    assert.equal(freezesBackbone({ until: 'layer4.1' }, deep), false);
  });

  it('counts its own convolutions, 20 of a resnet18', () => {
    const { trainable } = resolveFreeze(small, { fraction: 0.5 });
    const convolutions = backboneOf(small).convolutions.filter((name) => !trainable.has(`${name}.weight`));
    assert.equal(convolutions.length, 10);
    assert.equal(convolutions.at(-1), 'layer2.1.conv2');
  });

  it('may name what some member has, and must name what this one has', () => {
    assert.deepEqual(checkFreezeRule({ until: 'layer3.35' }), { until: 'layer3.35' });
    assert.throws(() => checkFreezeRule({ until: 'layer3.36' }), invalid('Did you mean layer3.3'));
    assert.throws(() => resolveFreeze(small, { until: 'layer3.2' }), invalid('it is one of stem, layer1, layer2'));
  });
});

describe('freeze rules that are wrong', () => {
  for (const [what, rule, words] of [
    ['an unknown word', 'all', `The freeze rule cannot be "all": it is 'backbone', 'none'`],
    ['null', null, 'The freeze rule cannot be null'],
    ['an unknown key', { untill: 'layer3' }, 'A freeze rule has no option untill. Did you mean until?'],
    ['no key', {}, 'has one of until, fraction and match'],
    ['two keys', { until: 'layer1', fraction: 0.5 }, 'has one of until, fraction and match'],
    ['an unknown unit', { until: 'layr3.2' }, 'Did you mean layer3.2?'],
    ['a unit that is no text', { until: 3 }, 'The unit to freeze until cannot be 3'],
    [
      'a fraction above 1',
      { fraction: 50 },
      'The fraction to freeze must be a finite number, at least 0 and at most 1, not 50.',
    ],
    ['a fraction that is NaN', { fraction: Number.NaN }, 'not NaN.'],
    ['a pattern that is no regular expression', { match: 'layer(' }, 'is no regular expression'],
    ['a pattern that is a number', { match: 3 }, 'must be a RegExp or a string, not 3.'],
    [
      'a pattern that matches nothing',
      { match: '^module\\.' },
      'matches no parameter. Their names are such as layer3.2.conv1.weight',
    ],
    ['all of it by unit', { until: 'head' }, 'nothing is left to train'],
    ['all of it by pattern', { match: /./ }, 'The freeze rule { match: /./ } freezes every parameter'],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(() => resolveFreeze(units, rule as FreezeRule), invalid(words));
    });
  }

  it('refuses an unknown policy and an unknown option', () => {
    assert.throws(
      () => resolveFreeze(units, 'none', { batchNorm: 'frozen' as 'eval' }),
      invalid('batchNorm cannot be "frozen"'),
    );
    assert.throws(
      () => resolveFreeze(units, 'none', { batchnorm: 'eval' } as object),
      invalid('Did you mean batchNorm?'),
    );
  });
});
