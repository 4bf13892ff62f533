import { type NumberRange, shorten } from './options.js';

/** Values as the command line writes them. What is wrong is said in its words, by an Error. */

/** Digits as people write them: no hexadecimal, no `Infinity`, no spaces. */
const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** The number that a text is as people write them; NaN for any other text. */
export function decimal(text: string): number {
  return DECIMAL.test(text) ? Number(text) : Number.NaN;
}

/** Reads what was typed; `takes` says what that may be, for `--help`. */
export interface NumberReader {
  (given: string | number): number;
  readonly takes: string;
}

/** Reads a number or says, in the words of the command line, what was expected. */
export function number(flag: string, range: NumberRange = {}): NumberReader {
  const { min, max, exclusiveMin, exclusiveMax, integer = false } = range;
  const low = exclusiveMin !== undefined ? ` above ${exclusiveMin}` : min !== undefined ? ` of ${min} or more` : '';
  const most = exclusiveMax !== undefined ? `below ${exclusiveMax}` : max !== undefined ? `at most ${max}` : '';
  const high = most === '' ? '' : `${low === '' ? '' : ','} ${most}`;
  const read = (given: string | number): number => {
    const text = String(given);
    const value = decimal(text);
    const valid =
      Number.isFinite(value) &&
      (!integer || Number.isSafeInteger(value)) &&
      value >= (min ?? -Infinity) &&
      value > (exclusiveMin ?? -Infinity) &&
      value <= (max ?? Infinity) &&
      value < (exclusiveMax ?? Infinity);
    if (valid) return value;
    const kind = integer ? 'a whole number' : 'a number';
    throw new Error(`--${flag} takes ${kind}${low}${high}, not ${JSON.stringify(shorten(text))}.`);
  };
  return Object.assign(read, { takes: describeRange(range) });
}

/** Such as `whole number, 1 to 256`. */
export function describeRange({ min, max, exclusiveMin, exclusiveMax, integer }: NumberRange): string {
  const kind = integer === true ? 'whole number' : 'number';
  const most = max === Number.MAX_SAFE_INTEGER ? undefined : max;
  if (min !== undefined && most !== undefined) return `${kind}, ${min} to ${most}`;
  const low = exclusiveMin !== undefined ? ` above ${exclusiveMin}` : min !== undefined ? `, ${min} or more` : '';
  const high = exclusiveMax !== undefined ? `, below ${exclusiveMax}` : most !== undefined ? `, at most ${most}` : '';
  return `${kind}${low}${high}`;
}
