import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BEST_METRICS, isBetter, requireBestMetric } from '../../src/metrics/best.js';

const NOT_FINITE = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];

describe('the best epoch', () => {
  it('is the one with the highest top-1, then the lowest loss, then the first', () => {
    assert.ok(isBetter({ top1: 0, loss: 9 }, null, 'top1'));
    assert.ok(isBetter({ top1: 0.6, loss: 2 }, { top1: 0.5, loss: 1 }, 'top1'));
    assert.ok(isBetter({ top1: 0.5, loss: 0.9 }, { top1: 0.5, loss: 1 }, 'top1'));
    assert.ok(!isBetter({ top1: 0.5, loss: 1 }, { top1: 0.5, loss: 1 }, 'top1'));
    assert.ok(!isBetter({ top1: 0.4, loss: 0 }, { top1: 0.5, loss: 1 }, 'top1'));
  });

  it('has the lowest loss, where it is chosen by that', () => {
    assert.ok(isBetter({ top1: 0.1, loss: 0.5 }, { top1: 0.9, loss: 0.6 }, 'loss'));
    assert.ok(!isBetter({ top1: 0.9, loss: 0.6 }, { top1: 0.1, loss: 0.5 }, 'loss'));
    assert.ok(!isBetter({ top1: 0.9, loss: 0.5 }, { top1: 0.1, loss: 0.5 }, 'loss'));
  });

  it('never has a figure that is not finite, whatever it is chosen by', () => {
    for (const by of BEST_METRICS) {
      const good = { top1: 0.5, top5: 0.5, balancedAccuracy: 0.5, loss: 1 };
      for (const lost of NOT_FINITE) {
        for (const key of new Set(['loss', by === 'balanced-accuracy' ? 'balancedAccuracy' : by])) {
          const bad = { ...good, [key]: lost };
          assert.ok(!isBetter(bad, null, by), `${by}: ${key} ${lost} is no epoch to begin with`);
          assert.ok(!isBetter(bad, good, by));
          assert.ok(!isBetter(bad, bad, by));
          assert.ok(isBetter(good, bad, by));
        }
      }
    }
  });

  it('is a total order: of any two that differ in what counts, one is better', () => {
    const values = [0, 0.25, 0.5, 1];
    for (const by of BEST_METRICS) {
      const epochs = values.flatMap((a) => values.map((b) => ({ top1: a, top5: a, balancedAccuracy: a, loss: b })));
      for (const a of epochs) {
        for (const b of epochs) {
          const isSame = a.loss === b.loss && (by === 'loss' || a.top1 === b.top1);
          assert.equal(Number(isBetter(a, b, by)) + Number(isBetter(b, a, by)), isSame ? 0 : 1, by);
        }
      }
    }
  });

  it('cannot be chosen by what is not told', () => {
    assert.equal(requireBestMetric(undefined, 2), 'top1');
    assert.equal(requireBestMetric('top5', 6), 'top5');
    const refused = (message: RegExp) => ({ code: 'ERR_INVALID_ARGUMENT', message });
    assert.throws(() => requireBestMetric('top5', 5), refused(/top5.*5 classes/));
    assert.throws(() => requireBestMetric('balancedAccuracy', 2), refused(/Did you mean balanced-accuracy\?/));
  });
});
