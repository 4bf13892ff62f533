import type { NumberRange } from '../options.js';

/** A number that a loss has of its own. */
export interface OwnOption {
  readonly range: NumberRange;
  readonly default: number;
}

/** A loss, as options and native code know it. What it computes is in `native/train/losses`. */
export interface LossRule<Own extends object = object> {
  /** Numbers beside the weights of classes. */
  readonly own: { readonly [Name in keyof Own]-?: OwnOption };
}
