/** The most rows of rates that native code takes at once. */
export const MOST_ROWS = 64;

/** What a chunk should last, so that pauses and events come promptly and the way between the languages costs nothing. */
const TARGET_MS = 1000;

/** Chooses how many steps go to native code at once: one at first, then at most twice as many as before. */
export class ChunkSizer {
  #rows = 0;
  #msPerStep = Number.POSITIVE_INFINITY;

  /** Steps of the next chunk, where `left` remain in the epoch. */
  next(left: number): number {
    const affordable = Math.floor(TARGET_MS / Math.max(this.#msPerStep, TARGET_MS / MOST_ROWS));
    return Math.max(1, Math.min(left, MOST_ROWS, Math.max(1, 2 * this.#rows), affordable));
  }

  made(steps: number, milliseconds: number): void {
    if (steps === 0) return;
    this.#rows = steps;
    this.#msPerStep = milliseconds / steps;
  }
}
