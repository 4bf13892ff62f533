import { convolutionsOf } from '../model/freeze.js';
import {
  BACKBONE_BATCH_NORMS,
  BACKBONE_CONVOLUTIONS,
  type ParameterInfo,
  STAGE_NAMES,
  type StageName,
  stageOf,
  UNIT_NAMES,
  type UnitInfo,
  type UnitName,
} from '../model/units.js';
import { checkOptions, invalidArgument, requireBoolean, requireNumber, requireOneOf } from '../options.js';

/** Parameters that share a rate and a weight decay; every trainable parameter is in exactly one. */
export interface ParameterGroup {
  readonly name: string;
  readonly parameters: readonly string[];
  /** The whole learning rate, which a schedule multiplies. */
  readonly lr: number;
  readonly weightDecay: number;
}

export interface CommonGroupOptions {
  /** The head's rate; default: that of the last part of the backbone. */
  readonly headLr?: number;
  /** Default 0. */
  readonly weightDecay?: number;
  /** No weight decay for BatchNorm parameters and biases; default false. */
  readonly noDecayNormBias?: boolean;
  /** Parameters to keep, by name; groups that lose all are dropped. Default: all. */
  readonly trainable?: ReadonlySet<string>;
}

/** A rate for the backbone's convolutions up to a share of the 53, each with its BatchNorm. */
export interface RateTier {
  /** 0 < until ≤ 1; tiers rise, and the last is 1. */
  readonly until: number;
  readonly lr: number;
}

export interface UniformOptions extends CommonGroupOptions {
  readonly lr: number;
}

export interface TiersOptions extends CommonGroupOptions {
  readonly tiers: readonly RateTier[];
}

/** Rates by unit or stage; a unit's own goes before its stage's. */
export type UnitRates = Readonly<Partial<Record<UnitName | StageName, number>>>;

export interface ByUnitOptions extends CommonGroupOptions {
  readonly lr: UnitRates | ((unit: UnitInfo) => number);
}

export interface LayerDecayOptions extends CommonGroupOptions {
  /** The head's rate, and what the others are a part of. */
  readonly lr: number;
  /** A unit's rate is `lr · decay^(17 − its index)`; 0 < decay ≤ 1. */
  readonly decay: number;
}

type Data<T> = Omit<T, 'trainable'>;

/** Parameter groups as plain data, to be kept in a strategy and printed. */
export type GroupSpec =
  | ({ readonly kind: 'uniform' } & Data<UniformOptions>)
  | ({ readonly kind: 'tiers' } & Data<TiersOptions>)
  | ({ readonly kind: 'byUnit' } & Data<Omit<ByUnitOptions, 'lr'>> & { readonly lr: UnitRates })
  | ({ readonly kind: 'layerDecay' } & Data<LayerDecayOptions>);

/** Where a parameter belongs: a name, and its rate. */
interface Place {
  readonly group: string;
  readonly lr: number;
}

const COMMON_KEYS = ['headLr', 'weightDecay', 'noDecayNormBias', 'trainable'] as const;

function requireRate(value: unknown, name: string): number {
  return requireNumber(value, `The learning rate ${name}`, { exclusiveMin: 0 });
}

function check(options: object, own: readonly string[], where: string): void {
  checkOptions(options, [...own, ...COMMON_KEYS], `groups.${where}()`);
  const common = options as CommonGroupOptions;
  if (common.headLr !== undefined) requireRate(common.headLr, 'headLr');
  requireNumber(common.weightDecay ?? 0, 'weightDecay', { min: 0 });
  requireBoolean(common.noDecayNormBias ?? false, 'noDecayNormBias');
}

/** Gathers parameters by place and decay, in the order of their first appearance. */
function collect(
  units: readonly UnitInfo[],
  options: CommonGroupOptions,
  place: (parameter: ParameterInfo, unit: UnitInfo) => Place,
): ParameterGroup[] {
  const groups = new Map<string, { name: string; parameters: string[]; lr: number; weightDecay: number }>();
  const weightDecay = options.weightDecay ?? 0;
  const split = weightDecay > 0 && options.noDecayNormBias === true;
  for (const unit of units) {
    for (const parameter of unit.parameters) {
      if (options.trainable !== undefined && !options.trainable.has(parameter.name)) continue;
      const { group, lr } = place(parameter, unit);
      const spared = split && (parameter.kind === 'batchNorm' || parameter.role === 'bias');
      const name = spared ? `${group} (no decay)` : group;
      const found = groups.get(name);
      if (found) found.parameters.push(parameter.name);
      else groups.set(name, { name, parameters: [parameter.name], lr, weightDecay: spared ? 0 : weightDecay });
    }
  }
  return [...groups.values()];
}

function uniform(units: readonly UnitInfo[], options: UniformOptions): ParameterGroup[] {
  check(options, ['lr'], 'uniform');
  const lr = requireRate(options.lr, 'lr');
  const headLr = options.headLr ?? lr;
  return collect(units, options, (_, unit) => {
    if (headLr === lr) return { group: 'all', lr };
    return unit.name === 'head' ? { group: 'head', lr: headLr } : { group: 'backbone', lr };
  });
}

function checkTiers(tiers: readonly RateTier[]): void {
  if (!Array.isArray(tiers) || tiers.length === 0) throw invalidArgument('tiers must hold at least one tier.');
  let last = 0;
  tiers.forEach((tier, index) => {
    checkOptions(tier, ['until', 'lr'], `tiers[${index}]`);
    requireRate(tier.lr, `tiers[${index}].lr`);
    requireNumber(tier.until, `tiers[${index}].until`, { exclusiveMin: last, max: 1 });
    last = tier.until;
  });
  if (last !== 1) throw invalidArgument(`The last of tiers must reach until: 1, not ${last}.`);
}

function tiers(units: readonly UnitInfo[], options: TiersOptions): ParameterGroup[] {
  check(options, ['tiers'], 'tiers');
  checkTiers(options.tiers);
  const tierOf = new Map<string, number>();
  BACKBONE_CONVOLUTIONS.forEach((convolution, index) => {
    const tier = options.tiers.findIndex(({ until }) => index < convolutionsOf(until));
    tierOf.set(convolution, tier);
    tierOf.set(BACKBONE_BATCH_NORMS[index] as string, tier);
  });
  const lastRate = (options.tiers.at(-1) as RateTier).lr;
  return collect(units, options, (parameter, unit) => {
    if (unit.name === 'head') return { group: 'head', lr: options.headLr ?? lastRate };
    const tier = tierOf.get(parameter.name.slice(0, parameter.name.lastIndexOf('.'))) as number;
    return { group: `tier ${tier + 1}`, lr: (options.tiers[tier] as RateTier).lr };
  });
}

function byUnit(units: readonly UnitInfo[], options: ByUnitOptions): ParameterGroup[] {
  check(options, ['lr'], 'byUnit');
  const { lr } = options;
  if (typeof lr === 'object' && lr !== null) {
    const known = [...new Set<string>([...STAGE_NAMES, ...UNIT_NAMES])];
    for (const name of Object.keys(lr)) requireOneOf(name, 'A unit of lr', known);
  } else if (typeof lr !== 'function') {
    throw invalidArgument('The learning rates lr of groups.byUnit() must be an object by unit, or a function.');
  }
  const rateOf = (unit: UnitInfo): number => {
    if (unit.name === 'head' && options.headLr !== undefined) return options.headLr;
    const rate = typeof lr === 'function' ? lr(unit) : (lr[unit.name] ?? lr[stageOf(unit.name)]);
    if (rate === undefined) {
      throw invalidArgument(`groups.byUnit() has no rate for ${unit.name}: name it or its stage in lr, or freeze it.`);
    }
    return requireRate(rate, `of ${unit.name}`);
  };
  return collect(units, options, (_, unit) => ({ group: unit.name, lr: rateOf(unit) }));
}

function layerDecay(units: readonly UnitInfo[], options: LayerDecayOptions): ParameterGroup[] {
  check(options, ['lr', 'decay'], 'layerDecay');
  const lr = requireRate(options.lr, 'lr');
  const decay = requireNumber(options.decay, 'decay', { exclusiveMin: 0, max: 1 });
  const last = UNIT_NAMES.length - 1;
  return collect(units, options, (_, unit) => {
    if (unit.name === 'head' && options.headLr !== undefined) return { group: 'head', lr: options.headLr };
    return { group: unit.name, lr: lr * decay ** (last - unit.index) };
  });
}

/**
 * Parameter groups: plain functions of the units to plain data. A rate of a group is a true rate of its own; gradients
 * are not scaled, which would change almost nothing under Adam, since Adam divides by their size.
 *
 * Every rate must be finite and greater than 0 (to hold a part still, freeze it); otherwise `ERR_INVALID_ARGUMENT`.
 */
export const groups = {
  /** One rate, but for the head's where `headLr` is given. */
  uniform,
  /** Rates by share of the backbone's 53 convolutions: early layers slowest. */
  tiers,
  /** A rate for every unit or stage. */
  byUnit,
  /** Rates that fall by a factor from the head to the stem, as timm's and BEiT's layer-wise decay. */
  layerDecay,
} as const;

/** The groups of plain data, of the trainable parameters alone. */
export function buildGroups(
  units: readonly UnitInfo[],
  spec: GroupSpec,
  trainable?: ReadonlySet<string>,
): ParameterGroup[] {
  const { kind, ...rest } = spec;
  const options = trainable === undefined ? rest : { ...rest, trainable };
  switch (kind) {
    case 'uniform':
      return uniform(units, options as UniformOptions);
    case 'tiers':
      return tiers(units, options as TiersOptions);
    case 'byUnit':
      return byUnit(units, options as ByUnitOptions);
    case 'layerDecay':
      return layerDecay(units, options as LayerDecayOptions);
    default:
      throw invalidArgument(`Groups of the kind ${String(kind)} are not known.`);
  }
}

/**
 * Reads tiers as the command line writes them: `0.25:1e-6,0.75:1e-5,1:1e-4`.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` naming the part that is wrong.
 */
export function parseLrTiers(text: string): readonly RateTier[] {
  const parsed = text.split(',').map((part) => {
    const [until, lr, ...more] = part.split(':').map((piece) => piece.trim());
    if (!until || !lr || more.length > 0) {
      throw invalidArgument(`Tiers are written share:rate, such as 0.25:1e-6,0.75:1e-5,1:1e-4; "${part}" is not.`);
    }
    return { until: Number(until), lr: Number(lr) };
  });
  checkTiers(parsed);
  return parsed;
}
