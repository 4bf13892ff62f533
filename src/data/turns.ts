import { setImmediate as nextTurn } from 'node:timers/promises';

/** Items between two turns of the event loop: some milliseconds' work at most, whatever is done with each. */
export const ITEMS_A_TURN = 1024;

/**
 * Gives others their turn in a long loop, so that the event loop is free within 10 ms:
 * `if (turns.due()) await turns.next();` after each item.
 */
export class Turns {
  #left = ITEMS_A_TURN;

  /** Counts items that were worked on. */
  due(items = 1): boolean {
    this.#left -= items;
    return this.#left <= 0;
  }

  async next(): Promise<void> {
    this.#left = ITEMS_A_TURN;
    await nextTurn();
  }
}

/** A sorted copy, made in parts: runs that are sorted at once, merged two by two. Equal items keep their order. */
export async function sortInTurns<T>(
  items: readonly T[],
  compare: (a: T, b: T) => number,
  turns: Turns,
): Promise<readonly T[]> {
  let sorted: T[] = [];
  for (let start = 0; start < items.length; start += ITEMS_A_TURN) {
    const run = items.slice(start, start + ITEMS_A_TURN).sort(compare);
    for (const item of run) sorted.push(item);
    if (turns.due(run.length)) await turns.next();
  }
  for (let width = ITEMS_A_TURN; width < sorted.length; width *= 2) {
    const merged: T[] = [];
    for (let start = 0; start < sorted.length; start += 2 * width) {
      const middle = Math.min(start + width, sorted.length);
      const end = Math.min(start + 2 * width, sorted.length);
      let [left, right] = [start, middle];
      while (left < middle || right < end) {
        const takeLeft = right === end || (left < middle && compare(sorted[left] as T, sorted[right] as T) <= 0);
        merged.push(sorted[takeLeft ? left++ : right++] as T);
        if (turns.due()) await turns.next();
      }
    }
    sorted = merged;
  }
  return sorted;
}
