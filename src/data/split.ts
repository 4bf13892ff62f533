import { createHash } from 'node:crypto';
import { compareCodePoints } from './order.js';

/**
 * Chooses what is held back of a class: the `share` of its files with the smallest keys, a key being a hash of the seed,
 * the class and the file's name below it. So the choice depends on these alone, and files that are added later do not turn
 * the others around. Of two images or more, at least one is on each side.
 *
 * @param files names relative to the class folder
 * @param share 0 ≤ share < 1
 */
export function heldBack(
  className: string,
  files: readonly string[],
  share: number,
  seed: number,
): ReadonlySet<string> {
  const count = heldBackCount(files.length, share);
  if (count === 0) return new Set();
  const keyed = files.map((file) => ({ file, key: key(seed, className, file) }));
  keyed.sort((a, b) => compareCodePoints(a.key, b.key));
  return new Set(keyed.slice(0, count).map(({ file }) => file));
}

function heldBackCount(files: number, share: number): number {
  if (share === 0 || files < 2) return 0;
  return Math.min(Math.max(Math.round(files * share), 1), files - 1);
}

function key(seed: number, className: string, file: string): string {
  return createHash('sha256').update(`${seed}\0${className}\0${file}`).digest('hex');
}
