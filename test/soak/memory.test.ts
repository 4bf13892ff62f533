import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { growthInPrediction, photographGround } from '../safety/support/loads.js';

describe('resident memory', () => {
  it('grows by less than 20 MB from the first thousand to ten thousand predictions', async (t) => {
    const growth = await growthInPrediction(await photographGround(t, 128), {
      imageSize: 224,
      first: 1000,
      count: 10_000,
    });
    const told = `${growth.first.toFixed(0)} MB after 1,000 predictions, ${growth.last.toFixed(0)} MB after 10,000`;
    t.diagnostic(told);
    assert.ok(growth.last - growth.first < 20, told);
  });
});
