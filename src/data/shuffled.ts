import { createHash } from 'node:crypto';
import { compareCodePoints } from './order.js';
import { pathBytes } from './path-bytes.js';
import { sortInTurns, type Turns } from './turns.js';

/** Positions of the images of a class, in an order that depends on the seed, the class and their names alone. */
export async function shuffled(
  className: string,
  names: readonly string[],
  seed: number,
  turns: Turns,
): Promise<readonly number[]> {
  const keyed: Keyed[] = [];
  for (const [position, name] of names.entries()) {
    keyed.push({ position, key: key(seed, className, name) });
    if (turns.due()) await turns.next();
  }
  const order: number[] = [];
  for (const { position } of await sortInTurns(keyed, byKey, turns)) {
    order.push(position);
    if (turns.due()) await turns.next();
  }
  return order;
}

interface Keyed {
  readonly position: number;
  readonly key: string;
}

function byKey(a: Keyed, b: Keyed): number {
  return compareCodePoints(a.key, b.key);
}

function key(seed: number, className: string, name: string): string {
  return createHash('sha256')
    .update(pathBytes(`${seed}\0${className}\0${name}`))
    .digest('hex');
}
