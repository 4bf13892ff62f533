import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { InOrder } from '../../src/inference/in-order.js';

/** A source of numbers that records what becomes of it, and work that is done when it is told to be. */
function setUp(most: number, count = 10) {
  const controller = new AbortController();
  const record = { given: 0, closed: false, running: 0, most: 0, ends: 0 };
  const done = new Map<number, { resolve(): void; reject(error: Error): void }>();
  async function* source() {
    try {
      for (; record.given < count; ) yield record.given++;
    } finally {
      record.closed = true;
    }
  }
  const results = new InOrder<number, number, string>(source(), {
    most,
    signal: controller.signal,
    open: (item) => [item],
    admit: async () => undefined,
    run: (item) => {
      record.running++;
      record.most = Math.max(record.most, record.running);
      return new Promise<string>((resolve, reject) => {
        done.set(item, { resolve: () => resolve(`result ${item}`), reject });
      }).finally(() => record.running--);
    },
    end: () => {
      record.ends++;
      controller.abort();
    },
  });
  return { results, record, done, controller };
}

/** Lets all that can go on do so. */
async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await turn();
}

describe('results in order', () => {
  it('come in the order of the source, whatever is done first', async () => {
    const { results, done, record } = setUp(3, 3);
    const all = Promise.all([results.next(), results.next(), results.next(), results.next()]);
    await settle();
    for (const item of [2, 0, 1]) done.get(item)?.resolve();
    assert.deepEqual(
      (await all).map(({ value }) => value),
      ['result 0', 'result 1', 'result 2', undefined],
    );
    assert.equal(record.ends, 1);
  });

  it('are begun in bounded number, and the source waits for a slow consumer', async () => {
    const { results, record, done } = setUp(3, 100);
    const first = results.next();
    await settle();
    assert.equal(record.given, 3);
    for (const item of [0, 1, 2]) done.get(item)?.resolve();
    await first;
    await settle();
    // One was taken: one more was asked for, although nothing is under way but that.
    assert.equal(record.given, 4);
    assert.equal(record.most, 3);
    await results.return();
    assert.equal(record.closed, true);
    assert.equal(record.given, 4);
  });

  it('ask nothing of the source before they are asked for', async () => {
    const { results, record } = setUp(3);
    await settle();
    assert.equal(record.given, 0);
    await results.return();
    assert.deepEqual(await results.next(), { done: true, value: undefined });
  });

  it('end with the first failure, after what came before it', async () => {
    const { results, record, done } = setUp(3);
    const first = results.next();
    await settle();
    done.get(1)?.reject(new Error('broken'));
    done.get(2)?.resolve();
    done.get(0)?.resolve();
    assert.equal((await first).value, 'result 0');
    await assert.rejects(results.next(), /broken/);
    assert.equal(record.closed, true);
    assert.equal(record.ends, 1);
    assert.deepEqual(await results.next(), { done: true, value: undefined });
  });

  it('end with the reason of the signal at once, also while the source keeps them waiting', async () => {
    const controller = new AbortController();
    let returned = false;
    const stalled: AsyncIterable<number> = {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise<never>(() => {}),
        return: async () => {
          returned = true;
          return { done: true, value: undefined };
        },
      }),
    };
    const results = new InOrder<number, number, number>(stalled, {
      most: 2,
      signal: controller.signal,
      open: (item) => [item],
      admit: async () => undefined,
      run: async (item) => item,
      end: () => controller.abort(),
    });
    const waiting = results.next();
    await settle();
    controller.abort('enough');
    await assert.rejects(waiting, (reason) => reason === 'enough');
    assert.equal(returned, true);
  });

  it('end at once where the consumer goes in the middle of waiting', async () => {
    const { results, record } = setUp(2);
    const waiting = results.next();
    await settle();
    await results.return();
    assert.deepEqual(await waiting, { done: true, value: undefined });
    assert.equal(record.closed, true);
  });

  it("pass on the source's failure behind what it gave before", async () => {
    const controller = new AbortController();
    async function* source() {
      yield 1;
      throw new Error('no more');
    }
    const results = new InOrder<number, number, number>(source(), {
      most: 5,
      signal: controller.signal,
      open: (item) => [item],
      admit: async () => undefined,
      run: async (item) => item,
      end: () => controller.abort(),
    });
    assert.deepEqual(await results.next(), { done: false, value: 1 });
    await assert.rejects(results.next(), /no more/);
  });
});
