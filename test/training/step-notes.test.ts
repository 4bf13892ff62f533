import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StepNotes } from '../../src/training/step-notes.js';

const chunk = (steps: number, skippedSteps: number) => ({ steps, skippedSteps, notes: [] });

describe('notes of steps', () => {
  it('tells what native code met, with the place', () => {
    const note = { code: 'step-not-recorded', message: 'No memory.' };
    const told = new StepNotes().of({ steps: 2, skippedSteps: 0, notes: [note] }, { epoch: 1, step: 2 }, false);
    assert.deepEqual(told, [{ type: 'note', epoch: 1, step: 2, ...note }]);
  });

  it('tells of an epoch of which more than half the steps overflowed, with the figures of that epoch alone', () => {
    const notes = new StepNotes();
    assert.deepEqual(notes.of(chunk(6, 6), { epoch: 1, step: 6 }, false), []);
    assert.deepEqual(notes.of(chunk(6, 0), { epoch: 1, step: 12 }, true), [], 'half of them');
    assert.deepEqual(notes.of(chunk(4, 4), { epoch: 2, step: 16 }, false), []);
    const [told, ...others] = notes.of(chunk(3, 0), { epoch: 2, step: 19 }, true);
    assert.equal(others.length, 0);
    assert.equal(told?.code, 'steps-overflowed');
    assert.match(told?.message ?? '', /^4 of 7 steps of epoch 2 changed nothing.*--loss-scale.*bf16/);
    assert.deepEqual(notes.of(chunk(5, 2), { epoch: 3, step: 24 }, true), []);
  });
});
