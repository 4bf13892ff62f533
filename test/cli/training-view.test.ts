import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { follow, type TrainingView, UNSEEN } from '../../src/cli/training-view.js';
import type { StartEvent, StepEvent, TrainingEvent } from '../../src/training/events.js';

const start = {
  type: 'start',
  stepsPerEpoch: 2,
  notes: [{ code: 'a', message: 'A' }],
  cache: { found: 0, entries: 3 },
} as unknown as StartEvent;

function step(number: number): StepEvent {
  const rest = { steps: 4, accuracy: 0.5, images: 8, lr: {}, imagesPerSecond: 20 };
  return { type: 'step', epoch: Math.ceil(number / 2), step: number, loss: 0.5, ...rest };
}

const epoch = { type: 'epoch', drift: { head: 0.5 } } as unknown as TrainingEvent;

function after(...events: readonly TrainingEvent[]): TrainingView {
  return events.reduce(follow, UNSEEN);
}

describe('the view of a run', () => {
  it('has a bar from the first step of an epoch to its end', () => {
    assert.equal(after(start).bar, null);
    assert.deepEqual(after(start, step(1)).bar, {
      task: 'epoch 1',
      done: 1,
      total: 4,
      detail: 'loss 0.5000  20.0 img/s  filling the cache',
      must: false,
    });
    const last = after(start, step(1), step(2)).bar;
    assert.equal(last?.detail, 'loss 0.5000  20.0 img/s  filling the cache  validating');
    assert.equal(last?.must, true);
    assert.equal(after(start, step(1), step(2), epoch).bar, null);
    assert.equal(after(start, step(1), step(2), epoch, step(3)).bar?.detail, 'loss 0.5000  20.0 img/s');
  });

  it('keeps what is said again at the end', () => {
    const { drift, notes } = after(start, step(1), step(2), epoch);
    assert.deepEqual(drift, { head: 0.5 });
    assert.deepEqual(notes, start.notes);
  });

  it('is a new value, and leaves the one before as it was', () => {
    const before = Object.freeze(after(start));
    const later = follow(before, step(1));
    assert.notEqual(later, before);
    assert.equal(before.bar, null);
  });
});
