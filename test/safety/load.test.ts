import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { delayInPrediction, delayInTraining, growthInPrediction } from './support/loads.js';
import { tinyGround } from './support/programs.js';

/** The soak suite has the whole of it, with the bounds that are promised; here other work may run beside. */
describe('a service under load', () => {
  for (const [what, measure] of [
    ['trains', delayInTraining],
    ['predicts', delayInPrediction],
  ] as const) {
    it(`has an event loop that turns while it ${what}`, async (t) => {
      const delay = await measure(await tinyGround(t), { imageSize: 64, seconds: 3 });
      t.diagnostic(JSON.stringify(delay));
      assert.ok(delay.images > 0);
      assert.ok(delay.p99 < 100, JSON.stringify(delay));
    });
  }

  it('predicts hundreds of times in the memory of the first', async (t) => {
    const growth = await growthInPrediction(await tinyGround(t), { imageSize: 32, first: 192, count: 576 });
    t.diagnostic(JSON.stringify(growth));
    assert.ok(growth.last - growth.first < 20, JSON.stringify(growth));
  });
});
