import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { train } from '../../src/training/train.js';
import { differences, tinyData, tinyModel, tinyOptions, weightsOf } from './support/tiny.js';

describe('cacheImages', () => {
  it('trains on from memory when the files are gone, to the same weights', async (t) => {
    // More batches than are decoded ahead: those were read before the files went.
    const data = await tinyData(t, { train: 12, val: 2 });
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
    // Whole pictures to take random parts of, and finished views of those to evaluate on.
    assert.deepEqual({ images, bytes }, { images: 42, bytes: 36 * (48 * 40 * 3 + 1) + 6 * 32 * 32 * 3 });
    assert.ok(limit > bytes);
    assert.equal(events.at(-1)?.type, 'result');
    assert.deepEqual(differences(await weightsOf(cached), await weightsOf(plain)), []);
  });
});
