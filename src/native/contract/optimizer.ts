/** The rule of an optimizer's step. */

/**
 * An optimizer as plain data: the name of its rule, and beside it every setting of that, numbers and booleans by name, as
 * `native/optim/rules/` lists them. Rates and weight decay belong to the groups.
 */
export interface NativeOptimizer {
  readonly kind: string;
  readonly [setting: string]: string | number | boolean;
}
