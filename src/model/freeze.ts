import { checkOptions, describe, invalidArgument, requireNumber, requireOneOf } from '../options.js';
import {
  BACKBONE_BATCH_NORMS,
  BACKBONE_CONVOLUTIONS,
  STAGE_NAMES,
  stageOf,
  UNIT_NAMES,
  type UnitInfo,
} from './units.js';

/**
 * What is frozen.
 *
 * - `'backbone'`: all but the head. `'none'`: nothing.
 * - `{ until }`: from the input up to and with a unit (`layer3.2`) or a stage (`layer3`).
 * - `{ fraction }`: the first `floor(fraction · 53)` of the backbone's 53 convolutions in forward order, each with its
 *   BatchNorm; 0 ≤ fraction ≤ 1.
 * - `{ match }`: the parameters whose names match a regular expression.
 */
export type FreezeRule =
  | 'backbone'
  | 'none'
  | { readonly until: string }
  | { readonly fraction: number }
  | { readonly match: RegExp | string };

/**
 * Which BatchNorms use and update batch statistics while training. `follow` (the default): those whose affine
 * parameters train. `eval`: none. `train`: all. Freezing parameters alone does not stop running statistics.
 */
export type BatchNormPolicy = 'follow' | 'eval' | 'train';

export const BATCH_NORM_POLICIES = ['follow', 'eval', 'train'] as const satisfies readonly BatchNormPolicy[];

export interface FreezePlan {
  /** Names of the parameters that train. */
  readonly trainable: ReadonlySet<string>;
  /** Module names of the BatchNorms in training mode, in forward order. */
  readonly batchNormTraining: readonly string[];
  /** Units from the input with nothing trainable and every BatchNorm in evaluation mode. */
  readonly frozenPrefixUnits: number;
}

/** How many of the 53 convolutions a fraction stands for; a hair is added since 53 · (k/53) may round down. */
export function convolutionsOf(fraction: number): number {
  return Math.floor(fraction * BACKBONE_CONVOLUTIONS.length + 1e-9);
}

/**
 * Resolves a freeze rule.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for an unknown rule, unit or policy, a pattern that matches nothing,
 * or a rule that leaves nothing to train.
 */
export function resolveFreeze(
  units: readonly UnitInfo[],
  rule: FreezeRule,
  options: { readonly batchNorm?: BatchNormPolicy } = {},
): FreezePlan {
  checkOptions(options, ['batchNorm'], 'freeze()');
  const policy = requireOneOf(options.batchNorm ?? 'follow', 'batchNorm', BATCH_NORM_POLICIES);
  const isFrozen = frozenBy(units, rule);
  const parameters = units.flatMap((unit) => unit.parameters);
  const trainable = new Set(parameters.filter(({ name }) => !isFrozen(name)).map(({ name }) => name));
  if (trainable.size === 0) {
    throw invalidArgument(`The freeze rule ${show(rule)} freezes every parameter: nothing is left to train.`);
  }
  const inTraining = (norm: string) =>
    policy === 'train' ||
    (policy === 'follow' && (trainable.has(`${norm}.weight`) || trainable.has(`${norm}.bias`)));
  const firstActive = units.findIndex(
    (unit) => unit.parameters.some(({ name }) => trainable.has(name)) || unit.batchNorms.some(inTraining),
  );
  return {
    trainable,
    batchNormTraining: units.flatMap((unit) => unit.batchNorms.filter(inTraining)),
    frozenPrefixUnits: firstActive,
  };
}

function show(rule: FreezeRule): string {
  if (typeof rule === 'string') return rule;
  return JSON.stringify(rule, (_, value) => (value instanceof RegExp ? String(value) : value));
}

function frozenBy(units: readonly UnitInfo[], rule: FreezeRule): (parameter: string) => boolean {
  if (rule === 'none') return () => false;
  if (rule === 'backbone') return (name) => !name.startsWith('fc.');
  if (typeof rule === 'object' && rule !== null && Object.keys(rule).length === 1) {
    if ('until' in rule) return frozenUntil(units, rule.until);
    if ('fraction' in rule) return frozenFraction(rule.fraction);
    if ('match' in rule) return frozenMatch(units, rule.match);
  }
  throw invalidArgument(
    `The freeze rule ${describe(rule)} is none of 'backbone', 'none', { until }, { fraction } and { match }.`,
  );
}

function frozenUntil(units: readonly UnitInfo[], until: string): (parameter: string) => boolean {
  const known = [...new Set<string>([...STAGE_NAMES, ...UNIT_NAMES])].filter((name) => name !== 'head');
  requireOneOf(until, 'The last unit to freeze (until)', known);
  const last = units.findLastIndex((unit) => unit.name === until || stageOf(unit.name) === until);
  const frozen = new Set(units.slice(0, last + 1).flatMap((unit) => unit.parameters.map(({ name }) => name)));
  return (name) => frozen.has(name);
}

function frozenFraction(fraction: number): (parameter: string) => boolean {
  requireNumber(fraction, 'The fraction to freeze', { min: 0, max: 1 });
  const count = convolutionsOf(fraction);
  const modules = new Set([...BACKBONE_CONVOLUTIONS.slice(0, count), ...BACKBONE_BATCH_NORMS.slice(0, count)]);
  return (name) => modules.has(name.slice(0, name.lastIndexOf('.')));
}

function frozenMatch(units: readonly UnitInfo[], match: RegExp | string): (parameter: string) => boolean {
  const pattern = compile(match);
  const names = units.flatMap((unit) => unit.parameters.map(({ name }) => name));
  const frozen = new Set(names.filter((name) => name.search(pattern) >= 0));
  if (frozen.size === 0) {
    throw invalidArgument(
      `The pattern ${pattern} to freeze matches no parameter. Names are such as layer3.2.conv1.weight and fc.bias.`,
    );
  }
  return (name) => frozen.has(name);
}

function compile(match: RegExp | string): RegExp {
  if (match instanceof RegExp) return match;
  if (typeof match !== 'string') throw invalidArgument(`The pattern to freeze must be a RegExp or a string.`);
  try {
    return new RegExp(match);
  } catch (error) {
    throw invalidArgument(`The pattern to freeze is no regular expression: ${(error as Error).message}`);
  }
}
