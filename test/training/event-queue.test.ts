import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { EventQueue } from '../../src/training/event-queue.js';
import type { StepEvent, TrainingEvent } from '../../src/training/events.js';

function step(number: number): StepEvent {
  return {
    type: 'step',
    epoch: 1,
    step: number,
    steps: 9,
    loss: 1,
    accuracy: 0,
    images: 1,
    lr: {},
    imagesPerSecond: 1,
  };
}

const aborted: TrainingEvent = { type: 'aborted', epoch: 1, step: 1, checkpoint: null };

describe('the event queue', () => {
  it('drops the oldest steps, and nothing else, for a reader that is late', async () => {
    const queue = new EventQueue(3);
    queue.push(aborted);
    for (let i = 1; i <= 5; i++) queue.push(step(i));
    queue.push(aborted);
    queue.end();
    const seen: unknown[] = [];
    for await (const event of queue) seen.push(event.type === 'step' ? event.step : event.type);
    assert.deepEqual(seen, ['aborted', 5, 'aborted']);
  });

  it('wakes a reader that waits, takes up where a reader left off, and throws after the last event', async () => {
    const queue = new EventQueue();
    const first = queue[Symbol.asyncIterator]().next();
    queue.push(step(1));
    queue.push(step(2));
    assert.deepEqual(await first, { value: step(1), done: false });
    queue.fail(new Error('broken'));
    queue.push(step(3));
    const seen: TrainingEvent[] = [];
    await assert.rejects(async () => {
      for await (const event of queue) seen.push(event);
    }, /broken/);
    assert.deepEqual(seen, [step(2)]);
  });

  it('gives each event to one of several readers, and ends them all', async () => {
    const queue = new EventQueue();
    const read = async (): Promise<unknown[]> => {
      const seen: unknown[] = [];
      for await (const event of queue) seen.push(event.type === 'step' && event.step);
      return seen;
    };
    const readers = [read(), read(), read()];
    for (let i = 1; i <= 7; i++) {
      queue.push(step(i));
      if (i % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    queue.end();
    const seen = (await Promise.all(readers)).flat() as number[];
    assert.deepEqual(
      seen.sort((a, b) => a - b),
      [1, 2, 3, 4, 5, 6, 7],
    );
  });

  it('throws a failure to every reader, once', async () => {
    const queue = new EventQueue();
    const readers = [queue[Symbol.asyncIterator](), queue[Symbol.asyncIterator]()];
    const waiting = readers.map((reader) => assert.rejects(reader.next(), /broken/));
    queue.fail(new Error('broken'));
    await Promise.all(waiting);
    for (const reader of readers) assert.deepEqual(await reader.next(), { value: undefined, done: true });
    await assert.rejects(queue[Symbol.asyncIterator]().next(), /broken/);
  });

  it('says whether a failure reaches anybody', async () => {
    assert.equal(new EventQueue().fail(new Error('broken')), false);
    const read = new EventQueue();
    const reader = read[Symbol.asyncIterator]();
    assert.equal(read.fail(new Error('broken')), true);
    await assert.rejects(reader.next(), /broken/);
    const abandoned = new EventQueue();
    await abandoned[Symbol.asyncIterator]().return?.();
    assert.equal(abandoned.fail(new Error('broken')), false);
  });

  it('loses nothing to a reader that is given up while it waits', async () => {
    const queue = new EventQueue();
    const abandoned = queue[Symbol.asyncIterator]();
    const waiting = abandoned.next();
    await abandoned.return?.();
    assert.deepEqual(await waiting, { value: undefined, done: true });
    queue.push(step(1));
    assert.deepEqual(await abandoned.next(), { value: undefined, done: true });
    for await (const event of queue) {
      assert.deepEqual(event, step(1));
      break;
    }
    queue.push(step(2));
    assert.deepEqual(await queue[Symbol.asyncIterator]().next(), { value: step(2), done: false });
  });
});
