import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { train } from '../../src/training/train.js';
import { differences, tinyData, tinyModel, tinyOptions, weightsOf } from './support/tiny.js';

describe('cacheImages', () => {
  it('trains on from memory when the files are gone, to the same weights', async (t) => {
    const data = await tinyData(t);
    using plain = await tinyModel();
    await train(plain, data, tinyOptions).result;
    using cached = await tinyModel();
    const run = train(cached, data, { ...tinyOptions, cacheImages: true });
    const events = [];
    for await (const event of run) {
      events.push(event);
      // After the first evaluation, and before any batch of the second epoch is asked for.
      if (event.type === 'epoch' && event.epoch === 1) await rm(data.path, { recursive: true });
    }
    const [start] = events;
    assert.ok(start?.type === 'start' && start.imageCache !== null);
    const { images, bytes, limit } = start.imageCache;
    assert.deepEqual({ images, bytes }, { images: 18, bytes: 18 * (48 * 40 * 3 + 1) });
    assert.ok(limit > bytes);
    assert.equal(events.at(-1)?.type, 'result');
    assert.deepEqual(differences(await weightsOf(cached), await weightsOf(plain)), []);
  });
});
