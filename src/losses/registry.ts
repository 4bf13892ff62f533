import type { NativeLoss } from '../native/contract/session.js';
import { checkOptions, requireNumber, requireOneOf } from '../options.js';
import { type ClassWeights, requireClassWeights, weightsOf } from './class-weights.js';
import { type CrossEntropyOptions, crossEntropy } from './cross-entropy.js';
import { type FocalOptions, focal } from './focal.js';
import type { LossRule, OwnOption } from './rule.js';

/** The losses. A further one is a file of its own and a row here, and the same in `native/train/losses`. */
const RULES = { 'cross-entropy': crossEntropy, focal } as const satisfies Readonly<Record<string, LossRule>>;

/** The name of a loss. */
export type LossName = keyof typeof RULES;

/** Names by which options and the command line know the losses. */
export const LOSS_NAMES = Object.keys(RULES) as readonly LossName[];

export const DEFAULT_LOSS: LossName = 'cross-entropy';

/** What every loss takes. */
export interface CommonLossOptions {
  /** Default: all classes count alike. */
  readonly classWeights?: ClassWeights;
}

/** A loss as plain data. */
export type LossSpec =
  | (CommonLossOptions & CrossEntropyOptions & { readonly name: 'cross-entropy' })
  | (CommonLossOptions & FocalOptions & { readonly name: 'focal' });

function ownOf(name: LossName): Readonly<Record<string, OwnOption>> {
  return RULES[name].own;
}

/** Losses that have an option of this name. */
export function lossesWith(option: string): readonly LossName[] {
  return LOSS_NAMES.filter((name) => option === 'classWeights' || option in ownOf(name));
}

/**
 * A loss by name, with its defaults, or plain data, checked. All that it does not say is filled in.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for an unknown name or option, or a number out of range
 */
export function lossOf(given: LossName | LossSpec): LossSpec {
  if (typeof given !== 'object' || given === null) return lossOf({ name: requireOneOf(given, 'loss', LOSS_NAMES) });
  const name = requireOneOf(given.name, 'loss.name', LOSS_NAMES);
  const own = Object.entries(ownOf(name));
  checkOptions(given, ['name', 'classWeights', ...own.map(([option]) => option)], `The loss ${name}`);
  const values = given as unknown as Readonly<Record<string, unknown>>;
  const numbers = own.map(([option, { range, default: value }]) => [
    option,
    requireNumber(values[option] ?? value, `loss.${option}`, range),
  ]);
  const { classWeights } = given;
  return {
    name,
    ...Object.fromEntries(numbers),
    ...(classWeights === undefined ? {} : { classWeights: requireClassWeights(classWeights, 'loss.classWeights') }),
  } as LossSpec;
}

/**
 * A loss as native sessions take it, with a weight for each of the model's outputs.
 *
 * @param counts images that are trained on, by class name; null where they are not known
 * @throws as `weightsOf()`
 */
export function nativeLoss(
  loss: LossSpec,
  classes: readonly string[],
  counts: ReadonlyMap<string, number> | null,
): NativeLoss {
  const { classWeights, ...numbers } = loss;
  return {
    ...numbers,
    ...(classWeights === undefined ? {} : { classWeights: weightsOf(classWeights, classes, counts) }),
  };
}
