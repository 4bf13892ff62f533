import type { Note } from '../notes.js';
import type { Output } from './output.js';

/** Of the files that the note names. */
const MOST_NAMED = 5;

/** Files that could not be decoded and were left out: each is told of at once, and all of them in a note of the result. */
export class LeftOut {
  readonly #paths: string[] = [];
  readonly #output: Output;
  readonly #code: string;
  readonly #words: string;

  /** @param code and @param words of the note */
  constructor(output: Output, code: string, words: string) {
    this.#output = output;
    this.#code = code;
    this.#words = words;
  }

  get count(): number {
    return this.#paths.length;
  }

  add(path: string, message: string): void {
    this.#paths.push(path);
    this.#output.note(`Left out ${path}: ${message}`);
  }

  /** One note, or none. */
  notes(): readonly Note[] {
    if (this.count === 0) return [];
    const named = this.#paths.slice(0, MOST_NAMED).join(', ');
    const more = this.count > MOST_NAMED ? ` and ${this.count - MOST_NAMED} more` : '';
    return [{ code: this.#code, message: `${this.#words}: ${named}${more}` }];
  }
}
