import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UNCHANGED } from '../../src/training/epoch-control.js';
import { type Advance, advance, BEGINNING, type Progress } from '../../src/training/progress.js';

function after(...events: readonly Advance[]): Progress {
  return events.reduce(advance, BEGINNING);
}

const trained: Advance = {
  type: 'trained',
  batches: [
    { images: 4, loss: 1, correct: 1 },
    { images: 2, loss: 0.25, correct: 2 },
  ],
  ms: 30,
  waitMs: 5,
};

const first = { epoch: 1, top1: 0.5, loss: 0.7 };
const second = { epoch: 2, top1: 0.25, loss: 0.9 };

describe('the progress of a run', () => {
  it('counts batches and steps, and weighs losses by images', () => {
    const { batch, step, sums } = after(trained, trained);
    assert.deepEqual([batch, step], [4, 4]);
    assert.deepEqual(sums, { images: 12, lossSum: 9, top1: 6, ms: 60, waitMs: 10 });
  });

  it('names a file that was left out once', () => {
    const skipped = (...paths: readonly string[]): Advance => ({ type: 'skipped', paths });
    assert.deepEqual(after(skipped('a', 'b'), skipped('b', 'c')).skipped, ['a', 'b', 'c']);
  });

  it('begins an epoch anew, keeps the best, and adds up what was trained', () => {
    const stopped = { ...UNCHANGED, stopped: true };
    const one = after(trained, { type: 'evaluated', last: first, best: true, changes: UNCHANGED });
    assert.deepEqual([one.epoch, one.batch, one.step], [1, 0, 2]);
    assert.deepEqual(one.sums, BEGINNING.sums);
    const two = advance(advance(one, trained), { type: 'evaluated', last: second, best: false, changes: stopped });
    assert.deepEqual([two.best, two.last, two.changes], [first, second, stopped]);
    assert.deepEqual(two.trained, { images: 12, ms: 60 });
  });

  it('keeps the order of its parts, which checkpoints are compared by', () => {
    const parts = Object.keys(BEGINNING);
    assert.deepEqual(Object.keys(after(trained)), parts);
    const end: Advance = { type: 'evaluated', last: first, best: true, changes: UNCHANGED };
    assert.deepEqual(Object.keys(after(trained, end)), parts);
    assert.deepEqual(Object.keys(after(trained).sums), Object.keys(BEGINNING.sums));
  });
});
