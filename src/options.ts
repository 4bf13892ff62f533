import { ResnetTorchError } from './errors.js';
import { classOf, isPromiseLike, isRegExp } from './kinds.js';

/** An `ERR_INVALID_ARGUMENT`. */
export function invalidArgument(message: string): ResnetTorchError {
  return new ResnetTorchError('ERR_INVALID_ARGUMENT', message);
}

/** A longer word is no slip of the hand, and takes long to compare. */
const MOST_LETTERS = 100;

/** Letters to insert, delete, replace or swap with a neighbour to make `a` of `b` (Damerau–Levenshtein, restricted). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + cost);
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) least = Math.min(least, (beforeLast[j - 2] ?? 0) + 1);
      row.push(least);
    }
    beforeLast = last;
    last = row;
  }
  return last[b.length] ?? 0;
}

/**
 * The known word that `word` was most likely meant to be, or `undefined` when none is near. Case, hyphens, underscores
 * and spaces do not count; a third of the letters may be wrong. Of several that are equally near, the first.
 */
export function nearest(word: string, known: readonly string[]): string | undefined {
  if (word.length > MOST_LETTERS) return undefined;
  const plain = (text: string) => text.toLowerCase().replaceAll(/[-_ ]/g, '');
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of known) {
    const distance = editDistance(plain(word), plain(candidate));
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return bestDistance <= Math.max(1, Math.floor(word.length / 3)) ? best : undefined;
}

/** What to add to a message about a word that is not known. */
function hint(word: string, known: readonly string[]): string {
  const near = nearest(word, known);
  return near === undefined ? `Known are ${known.join(', ')}.` : `Did you mean ${near}?`;
}

/**
 * Checks that `value` is an object with none but known keys.
 *
 * @param where names the call in messages, such as `train()`.
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` naming the unknown option and the nearest known one.
 */
export function checkOptions(value: unknown, known: readonly string[], where: string): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalidArgument(`The options of ${where} must be an object, not ${describe(value)}.`);
  }
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) throw invalidArgument(`${where} has no option ${shorten(key)}. ${hint(key, known)}`);
  }
}

/** A value in the words of a message: what it is, or what kind of thing where it is long. */
export function describe(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(shorten(value));
  if (typeof value === 'function') return 'a function';
  if (isRegExp(value)) return String(value);
  if (value === null || typeof value !== 'object') return shorten(String(value));
  if (Array.isArray(value)) return 'an array';
  if (isPromiseLike(value)) return 'a Promise, which must be awaited first';
  const name = classOf(value);
  return name === undefined ? 'an object' : `${/^[AEIO]/.test(name) ? 'an' : 'a'} ${shorten(name)}`;
}

/** Text that fits into a message: of what is longer than `most` characters the beginning. */
export function shorten(text: string, most = 80): string {
  return text.length > most ? `${text.slice(0, most)}…` : text;
}

export interface NumberRange {
  readonly min?: number;
  readonly max?: number;
  /** The number must be greater than this. */
  readonly exclusiveMin?: number;
  /** The number must be smaller than this. */
  readonly exclusiveMax?: number;
  readonly integer?: boolean;
}

/**
 * A finite number in a range. `NaN`, the infinities, and strings that look like numbers are none.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` naming the option and the range.
 */
export function requireNumber(value: unknown, name: string, range: NumberRange = {}): number {
  const bounds = [
    range.min === undefined ? [] : [`at least ${range.min}`],
    range.exclusiveMin === undefined ? [] : [`greater than ${range.exclusiveMin}`],
    range.max === undefined ? [] : [`at most ${range.max}`],
    range.exclusiveMax === undefined ? [] : [`less than ${range.exclusiveMax}`],
  ].flat();
  const valid =
    typeof value === 'number' &&
    Number.isFinite(value) &&
    (range.integer !== true || Number.isSafeInteger(value)) &&
    value >= (range.min ?? -Infinity) &&
    value <= (range.max ?? Infinity) &&
    value > (range.exclusiveMin ?? -Infinity) &&
    value < (range.exclusiveMax ?? Infinity);
  if (!valid) {
    const kind = range.integer === true ? 'a whole number' : 'a finite number';
    const limits = bounds.length === 0 ? '' : `, ${bounds.join(' and ')}`;
    throw invalidArgument(`${name} must be ${kind}${limits}, not ${describe(value)}.`);
  }
  return value;
}

/**
 * One of a few known words.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` naming the option, the nearest known word, and all of them.
 */
export function requireOneOf<T extends string>(value: unknown, name: string, known: readonly T[]): T {
  if (typeof value === 'string' && (known as readonly string[]).includes(value)) return value as T;
  const near = typeof value === 'string' ? nearest(value, known) : undefined;
  const help = near === undefined ? '' : ` Did you mean ${near}?`;
  throw invalidArgument(`${name} cannot be ${describe(value)}: it is one of ${known.join(', ')}.${help}`);
}

/** @throws ResnetTorchError `ERR_INVALID_ARGUMENT` naming the option. */
export function requireBoolean(value: unknown, name: string): boolean {
  if (typeof value !== 'boolean') throw invalidArgument(`${name} must be true or false, not ${describe(value)}.`);
  return value;
}
