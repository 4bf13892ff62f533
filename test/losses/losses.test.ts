import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { weightsOf } from '../../src/losses/class-weights.js';
import { LOSS_NAMES, lossesWith, lossOf, nativeLoss } from '../../src/losses/registry.js';
import { invalid } from '../support/invalid.js';

const CLASSES = ['ants', 'bees', 'wasps'];

describe('a loss as plain data', () => {
  it('is filled in with its defaults', () => {
    assert.deepEqual(LOSS_NAMES, ['cross-entropy', 'focal']);
    assert.deepEqual(lossOf('cross-entropy'), { name: 'cross-entropy', labelSmoothing: 0 });
    assert.deepEqual(lossOf('focal'), { name: 'focal', gamma: 2 });
    assert.deepEqual(lossOf({ name: 'focal', gamma: 0, classWeights: { ants: 2 } }), {
      name: 'focal',
      gamma: 0,
      classWeights: { ants: 2 },
    });
  });

  it('is refused where it is none, by what is wrong', () => {
    assert.throws(() => lossOf('focl' as never), invalid('Did you mean focal?'));
    assert.throws(() => lossOf({ name: 'hinge' } as never), invalid('loss.name cannot be "hinge"'));
    assert.throws(
      () => lossOf({ name: 'focal', labelSmoothing: 0.1 } as never),
      invalid('The loss focal has no option labelSmoothing'),
    );
    assert.throws(() => lossOf({ name: 'cross-entropy', labelSmoothing: 1.1 }), invalid('loss.labelSmoothing must be'));
    assert.throws(() => lossOf({ name: 'focal', gamma: -1 }), invalid('loss.gamma must be'));
    assert.throws(() => lossOf({ name: 'focal', gamma: Number.NaN }), invalid('loss.gamma must be'));
    for (const classWeights of ['even', [1, 2], null, 3]) {
      assert.throws(() => lossOf({ name: 'focal', classWeights: classWeights as never }), invalid("'balanced' or"));
    }
    assert.throws(
      () => lossOf({ name: 'focal', classWeights: { ants: 0 } }),
      invalid('loss.classWeights["ants"] must be a finite number, greater than 0'),
    );
  });

  it('knows which options belong to which', () => {
    assert.deepEqual(lossesWith('labelSmoothing'), ['cross-entropy']);
    assert.deepEqual(lossesWith('gamma'), ['focal']);
    assert.deepEqual(lossesWith('classWeights'), LOSS_NAMES);
  });

  it('is handed to native code with a weight an output', () => {
    assert.deepEqual(nativeLoss(lossOf('focal'), CLASSES, null), { name: 'focal', gamma: 2 });
    const loss = lossOf({ name: 'cross-entropy', labelSmoothing: 0.1, classWeights: { wasps: 3, ants: 2 } });
    assert.deepEqual(nativeLoss(loss, CLASSES, null), {
      name: 'cross-entropy',
      labelSmoothing: 0.1,
      classWeights: Float64Array.of(2, 1, 3),
    });
  });
});

describe('weights of classes', () => {
  const counts = new Map([
    ['bees', 30],
    ['ants', 10],
    ['wasps', 20],
  ]);

  it("are scikit-learn's, where they are balanced: images / (classes · images of the class)", () => {
    assert.deepEqual(weightsOf('balanced', CLASSES, counts), Float64Array.of(60 / 30, 60 / 90, 60 / 60));
  });

  it('are matched by name, not by position, and are 1 where a class is not named', () => {
    assert.deepEqual(weightsOf({ wasps: 5, ants: 0.5 }, CLASSES, null), Float64Array.of(0.5, 1, 5));
  });

  it('are refused where a class is not known, or has nothing to count', () => {
    assert.throws(() => weightsOf({ bee: 1 }, CLASSES, counts), invalid('Did you mean bees?'));
    assert.throws(() => weightsOf('balanced', CLASSES, null), invalid('needs a data set'));
    assert.throws(() => weightsOf('balanced', [...CLASSES, 'flies'], counts), {
      code: 'ERR_DATASET',
      message: /"flies" has no image to train on/,
    });
  });
});
