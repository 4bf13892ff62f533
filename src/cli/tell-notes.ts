import type { Note } from '../notes.js';
import type { Output } from './output.js';

/** A line for each note, on standard error. Results have them too, where they are JSON. */
export function tellNotes(notes: readonly Note[], output: Output): void {
  for (const { message } of notes) output.note(`Note: ${message}`);
}
