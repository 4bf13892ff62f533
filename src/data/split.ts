import { createHash } from 'node:crypto';
import { compareCodePoints } from './order.js';

/**
 * Chooses what is held back of each class: the `share` of its files with the smallest keys, a key being a hash of the
 * seed, the class and the file's name below it. So the choice depends on these alone, and files that are added later do
 * not turn the others around. A class of two images or more has at least one on each side.
 *
 * @param classes by class name, the names of its files relative to the class folder
 * @param share 0 ≤ share < 1
 * @returns by class name, the names held back
 */
export function heldBack(
  classes: ReadonlyMap<string, readonly string[]>,
  share: number,
  seed: number,
): ReadonlyMap<string, ReadonlySet<string>> {
  return new Map(
    [...classes].map(([name, files]) => {
      const count = heldBackCount(files.length, share);
      const keyed = files.map((file) => ({ file, key: key(seed, name, file) }));
      keyed.sort((a, b) => compareCodePoints(a.key, b.key));
      return [name, new Set(keyed.slice(0, count).map(({ file }) => file))];
    }),
  );
}

function heldBackCount(files: number, share: number): number {
  if (share === 0 || files < 2) return 0;
  return Math.min(Math.max(Math.round(files * share), 1), files - 1);
}

function key(seed: number, className: string, file: string): string {
  return createHash('sha256').update(`${seed}\0${className}\0${file}`).digest('hex');
}
