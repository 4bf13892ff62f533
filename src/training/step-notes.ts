import type { NativeChunk } from '../native/contract/session.js';
import type { Note } from '../notes.js';
import type { NoteEvent } from './events.js';

/** What is to be told of the steps of a run, beside their figures. */
export class StepNotes {
  #steps = 0;
  #skipped = 0;

  /**
   * @param at where the run is after the chunk
   * @param epochEnds whether the chunk is the last of its epoch
   */
  of(
    chunk: Pick<NativeChunk, 'steps' | 'skippedSteps' | 'notes'>,
    at: { readonly epoch: number; readonly step: number },
    epochEnds: boolean,
  ): readonly NoteEvent[] {
    this.#steps += chunk.steps;
    this.#skipped += chunk.skippedSteps;
    const notes: Note[] = [...chunk.notes];
    if (epochEnds) {
      // A scale that follows the gradients begins too high and loses some steps: that is how it finds its place.
      if (2 * this.#skipped > this.#steps) notes.push(mostlySkipped(this.#skipped, this.#steps, at.epoch));
      this.#steps = 0;
      this.#skipped = 0;
    }
    return notes.map(({ code, message }) => ({ type: 'note', ...at, code, message }));
  }
}

function mostlySkipped(skipped: number, steps: number, epoch: number): Note {
  return {
    code: 'steps-overflowed',
    message:
      `${skipped} of ${steps} steps of epoch ${epoch} changed nothing, since gradients overflowed in fp16: ` +
      'use a lower --loss-scale, or --precision bf16 or fp32.',
  };
}
