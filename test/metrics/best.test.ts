import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isBetter, isPatienceOver, requireBestMetric } from '../../src/metrics/best.js';
import { METRIC_NAMES, type MetricName, metricOf } from '../../src/metrics/registry.js';

const NOT_FINITE = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, null];

const BEST_METRICS: readonly MetricName[] = [...METRIC_NAMES, 'top3'];

/** Every figure with one value, and a loss. */
const all = (value: number, loss: number): Record<string, number> & { loss: number } => ({
  ...Object.fromEntries(BEST_METRICS.map((name) => [metricOf(name).key, value])),
  loss,
});

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
      const good = all(0.5, 1);
      for (const lost of NOT_FINITE) {
        for (const key of new Set(['loss', metricOf(by).key])) {
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
      const { key } = metricOf(by);
      const epochs = values.flatMap((a) => values.map((b) => all(a, b)));
      for (const a of epochs) {
        for (const b of epochs) {
          const isSame = a.loss === b.loss && (by === 'loss' || a[key] === b[key]);
          assert.equal(Number(isBetter(a, b, by)) + Number(isBetter(b, a, by)), isSame ? 0 : 1, by);
        }
      }
    }
  });

  it('has more of what is good, and less of what is not', () => {
    for (const by of BEST_METRICS) {
      const isLower = ['loss', 'log-loss', 'brier', 'ece'].includes(by);
      assert.equal(isBetter(all(0.6, by === 'loss' ? 0.6 : 1), all(0.5, by === 'loss' ? 0.5 : 1), by), !isLower, by);
    }
  });

  it('cannot be chosen by what is not told', () => {
    assert.equal(requireBestMetric(undefined, { outputs: 2 }), 'top1');
    assert.equal(requireBestMetric('top5', { outputs: 6 }), 'top5');
    assert.equal(requireBestMetric('roc-auc', { outputs: 2 }), 'roc-auc');
    const refused = (message: RegExp) => ({ code: 'ERR_INVALID_ARGUMENT', message });
    assert.throws(() => requireBestMetric('top5', { outputs: 5 }), refused(/top5.*5 classes/));
    assert.throws(() => requireBestMetric('top7', { outputs: 7 }), refused(/--best-metric.*top7.*7 classes/));
    assert.throws(
      () => requireBestMetric('balancedAccuracy', { outputs: 2 }),
      refused(/Did you mean balanced-accuracy\?/),
    );
    const lacking = { outputs: 2, imagesOfOutputs: [4, 0] };
    assert.throws(() => requireBestMetric('roc-auc', lacking, ['a', 'b']), refused(/roc-auc.*no image of b/));
    assert.equal(requireBestMetric('f1-macro', lacking, ['a', 'b']), 'f1-macro');
  });

  it('ends a run once it lies far enough back', () => {
    assert.equal(isPatienceOver(null, 99, { epoch: 1 }), false);
    assert.equal(isPatienceOver(2, 0, null), false);
    assert.deepEqual(
      [1, 2, 3, 4].map((epochs) => isPatienceOver(2, epochs, { epoch: 1 })),
      [false, false, true, true],
    );
  });
});
