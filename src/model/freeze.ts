import { isRegExp } from '../kinds.js';
import { checkOptions, describe, invalidArgument, requireNumber, requireOneOf } from '../options.js';
import { partNames, stageOf } from './architecture.js';
import { backboneOf, type UnitInfo } from './units.js';

/**
 * What is frozen.
 *
 * - `'backbone'`: all but the head. `'none'`: nothing.
 * - `{ until }`: from the input up to and with a unit (`layer3.2`) or a stage (`layer3`).
 * - `{ fraction }`: the first `floor(fraction · n)` of the backbone's n convolutions in forward order (`downsample.0` after a
 *   block's others; n is 53 in a ResNet-50), each with its BatchNorm; 0 ≤ fraction ≤ 1.
 * - `{ match }`: the parameters whose names match a regular expression, anywhere in the name.
 */
export type FreezeRule =
  | 'backbone'
  | 'none'
  | { readonly until: string }
  | { readonly fraction: number }
  | { readonly match: RegExp | string };

/**
 * Which BatchNorms use and update batch statistics while training. `follow` (the default): those whose scale or shift
 * trains. `eval`: none. `train`: all. Freezing parameters alone does not stop running statistics.
 */
export type BatchNormPolicy = 'follow' | 'eval' | 'train';

export const BATCH_NORM_POLICIES = ['follow', 'eval', 'train'] as const satisfies readonly BatchNormPolicy[];

/** What a freeze rule comes to for a model. */
export interface FreezePlan {
  /** Names of the parameters that train, in the order of `state_dict()`. Never empty. */
  readonly trainable: ReadonlySet<string>;
  /** Module names of the BatchNorms in training mode, in forward order. */
  readonly batchNormTraining: readonly string[];
  /** Units from the input with nothing trainable and every BatchNorm in evaluation mode: 0 to all but the head. */
  readonly frozenPrefixUnits: number;
}

type Predicate = (parameter: string) => boolean;

/** How many of n convolutions a fraction stands for. n · (k / n) may fall a hair short of k: it is k all the same. */
export function shareOf(fraction: number, convolutions: number): number {
  return Math.floor(fraction * convolutions + 1e-9);
}

/**
 * Resolves a freeze rule.
 *
 * @param units of `describeUnits()` or `model.units()`
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for an unknown rule, unit or policy, a fraction outside [0, 1], a
 * pattern that is no regular expression or matches nothing, or a rule that leaves nothing to train
 */
export function resolveFreeze(
  units: readonly UnitInfo[],
  rule: FreezeRule,
  options: { readonly batchNorm?: BatchNormPolicy } = {},
): FreezePlan {
  checkOptions(options, ['batchNorm'], 'freeze()');
  const policy = requireOneOf(options.batchNorm ?? 'follow', 'batchNorm', BATCH_NORM_POLICIES);
  const isFrozen = frozenBy(rule, units);
  const names = units.flatMap((unit) => unit.parameters.map(({ name }) => name));
  const trainable = new Set(names.filter((name) => !isFrozen(name)));
  if (trainable.size === 0) {
    throw invalidArgument(
      `The freeze rule ${showRule(rule)} freezes every parameter, the head's too: nothing is left to train.`,
    );
  }
  if (trainable.size === names.length && typeof rule === 'object' && 'match' in rule) {
    throw invalidArgument(
      `The freeze rule ${showRule(rule)} matches no parameter. Their names are such as layer3.2.conv1.weight, ` +
        `layer3.2.bn1.bias and ${names.at(-1)}.`,
    );
  }
  const inTraining = (norm: string) =>
    policy === 'train' || (policy === 'follow' && (trainable.has(`${norm}.weight`) || trainable.has(`${norm}.bias`)));
  return {
    trainable,
    batchNormTraining: units.flatMap((unit) => unit.batchNorms.filter(inTraining)),
    frozenPrefixUnits: units.findIndex(
      (unit) => unit.parameters.some(({ name }) => trainable.has(name)) || unit.batchNorms.some(inTraining),
    ),
  };
}

/**
 * Whether a rule freezes all of the backbone, so that the head alone can train.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for an unknown rule or unit
 */
export function freezesBackbone(rule: FreezeRule, units: readonly UnitInfo[]): boolean {
  const isFrozen = frozenBy(rule, units);
  return units.slice(0, -1).every((unit) => unit.parameters.every(({ name }) => isFrozen(name)));
}

/**
 * Checks a rule as far as it can be without a network: a unit must be one that some architecture has.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for an unknown rule
 */
export function checkFreezeRule(rule: FreezeRule): FreezeRule {
  frozenBy(rule, []);
  return rule;
}

/** A rule as a message shows it. */
export function showRule(rule: FreezeRule): string {
  if (typeof rule === 'string') return rule;
  return Object.entries(rule)
    .map(([key, value]) => `{ ${key}: ${describe(value)} }`)
    .join();
}

/** @param units none: the rule is checked alone */
function frozenBy(rule: FreezeRule, units: readonly UnitInfo[]): Predicate {
  if (rule === 'none') return () => false;
  if (rule === 'backbone') return isOfBackbone;
  if (typeof rule !== 'object' || rule === null) {
    throw invalidArgument(
      `The freeze rule cannot be ${describe(rule)}: it is 'backbone', 'none', { until }, { fraction } or { match }.`,
    );
  }
  checkOptions(rule, ['until', 'fraction', 'match'], 'A freeze rule');
  if (Object.keys(rule).length !== 1) {
    throw invalidArgument('A freeze rule that is an object has one of until, fraction and match.');
  }
  if ('until' in rule) return frozenUntil(rule.until, units);
  if ('fraction' in rule) return frozenFraction(rule.fraction, units);
  return frozenMatch(rule.match);
}

function isOfBackbone(parameter: string): boolean {
  return !parameter.startsWith('fc.');
}

function frozenUntil(until: string, units: readonly UnitInfo[]): Predicate {
  const known = units.length === 0 ? partNames() : partNames(units.map(({ name }) => name));
  requireOneOf(until, 'The unit to freeze until', known);
  const last = units.findLastIndex(({ name }) => name === until || stageOf(name) === until);
  const frozen = units.slice(0, last + 1).flatMap((unit) => unit.parameters.map(({ name }) => name));
  const names = new Set(frozen);
  return (name) => names.has(name);
}

function frozenFraction(fraction: number, units: readonly UnitInfo[]): Predicate {
  requireNumber(fraction, 'The fraction to freeze', { min: 0, max: 1 });
  const { convolutions, batchNorms } = backboneOf(units);
  const count = shareOf(fraction, convolutions.length);
  const modules = new Set([...convolutions.slice(0, count), ...batchNorms.slice(0, count)]);
  return (name) => modules.has(name.slice(0, name.lastIndexOf('.')));
}

function frozenMatch(match: RegExp | string): Predicate {
  const pattern = compile(match);
  // `search`, unlike `test`, keeps no place between calls where the pattern is global.
  return (name) => name.search(pattern) >= 0;
}

function compile(match: RegExp | string): RegExp {
  if (isRegExp(match)) return match;
  if (typeof match !== 'string') {
    throw invalidArgument(`The pattern to freeze must be a RegExp or a string, not ${describe(match)}.`);
  }
  try {
    return new RegExp(match);
  } catch (error) {
    throw invalidArgument(`The pattern to freeze is no regular expression: ${(error as Error).message}.`);
  }
}
