import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { addSums, isBetter, metricsOf, NOTHING, perSecond } from '../../src/training/metrics.js';

describe('metrics', () => {
  it('are means over images, with top-5 where there are more than five classes', () => {
    const sums = addSums(addSums(NOTHING, { images: 3, lossSum: 3, top1: 1, top5: 2 }), {
      images: 1,
      lossSum: 5,
      top1: 1,
      top5: 1,
    });
    assert.deepEqual(metricsOf(sums, 6), { loss: 2, top1: 0.5, top5: 0.75, images: 4 });
    assert.deepEqual(metricsOf(sums, 5), { loss: 2, top1: 0.5, images: 4 });
    assert.equal(metricsOf(NOTHING, 2).loss, 0);
  });

  it('call an epoch better by top-1, then by loss, and keep the first of equals', () => {
    assert.ok(isBetter({ top1: 0, loss: 9 }, null));
    assert.ok(isBetter({ top1: 0.6, loss: 2 }, { top1: 0.5, loss: 1 }));
    assert.ok(isBetter({ top1: 0.5, loss: 0.9 }, { top1: 0.5, loss: 1 }));
    assert.ok(!isBetter({ top1: 0.5, loss: 1 }, { top1: 0.5, loss: 1 }));
    assert.ok(!isBetter({ top1: 0.4, loss: 0 }, { top1: 0.5, loss: 1 }));
  });

  it('have no rate where no time has passed', () => {
    assert.equal(perSecond(10, 500), 20);
    assert.equal(perSecond(10, 0), 0);
  });
});
