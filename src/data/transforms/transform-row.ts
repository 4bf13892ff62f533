import type { NativeTransform } from '../../native/contract/data.js';
import { invalidArgument, requireNumber } from '../../options.js';

/** A transform of pixels as a part of an augmentation: a file of its own and a row of `TRANSFORMS`. */
export interface TransformRow<Given> {
  /**
   * The value in its plain form, or null where it changes nothing.
   *
   * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` naming the option
   */
  check(value: Given, name: string): Given | null;
  /** What the loader is told; of a checked value. */
  native(value: Given): NativeTransform;
  /** In words, for people. */
  describe(value: Given): string;
}

/** Two numbers in order. */
export type Range = readonly [least: number, most: number];

/** @throws ResnetTorchError `ERR_INVALID_ARGUMENT` */
export function requireRange(
  value: unknown,
  name: string,
  bounds: { readonly min?: number; readonly exclusiveMin?: number; readonly max?: number },
): Range {
  if (!Array.isArray(value) || value.length !== 2) {
    throw invalidArgument(`${name} must be two numbers, such as [0.5, 1].`);
  }
  const [least, most] = value.map((each) => requireNumber(each, name, bounds)) as [number, number];
  if (least > most) throw invalidArgument(`${name} must be in order, and ${least} is above ${most}.`);
  return [least, most];
}
