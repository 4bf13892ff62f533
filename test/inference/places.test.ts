import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Places } from '../../src/inference/places.js';

const forever = new AbortController().signal;

describe('places', () => {
  it('are taken together or not at all', () => {
    const places = new Places(3);
    assert.equal(places.take(2), true);
    assert.equal(places.take(2), false);
    assert.equal(places.taken, 2);
    assert.equal(places.take(1), true);
    places.give(3);
    assert.equal(places.taken, 0);
  });

  it('go to those who wait, in their order, before anybody else', async () => {
    const places = new Places(1);
    places.take(1);
    const order: number[] = [];
    const waits = [1, 2].map((who) => places.wait(forever).then(() => order.push(who)));
    places.give(1);
    assert.equal(places.take(1), false, 'it is the first one’s');
    await waits[0];
    assert.deepEqual(order, [1]);
    places.give(1);
    await waits[1];
    assert.deepEqual(order, [1, 2]);
    places.give(1);
    assert.equal(places.taken, 0);
  });

  it('are not taken by one who gave up waiting', async () => {
    const places = new Places(1);
    places.take(1);
    const controller = new AbortController();
    const wait = places.wait(controller.signal);
    controller.abort('enough');
    await assert.rejects(wait, (reason) => reason === 'enough');
    places.give(1);
    assert.equal(places.taken, 0);
    await assert.rejects(places.wait(controller.signal), (reason) => reason === 'enough');
    assert.equal(places.taken, 0);
  });
});
