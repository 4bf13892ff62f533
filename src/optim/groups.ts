import { type BlockName, partNames, type StageName, stageOf } from '../model/architecture.js';
import { shareOf } from '../model/freeze.js';
import { backboneOf, type ParameterInfo, type UnitInfo } from '../model/units.js';
import { checkOptions, describe, invalidArgument, requireBoolean, requireNumber, requireOneOf } from '../options.js';

/** Parameters that share a rate and a weight decay; every trainable parameter is in exactly one. */
export interface ParameterGroup {
  /** Says what the group spans, whether or not all of it trains: the same rule gives the same names in every run. */
  readonly name: string;
  readonly parameters: readonly string[];
  /** The whole learning rate, which a schedule multiplies. */
  readonly lr: number;
  readonly weightDecay: number;
}

/** Rates are finite and above 0: to hold a part still, freeze it. */
export interface CommonGroupOptions {
  /** The head's rate; default: that of the last part of the backbone. */
  readonly headLr?: number;
  /** Of every group, 0 or more; default 0. What it does is the optimizer's: it decays the gradient, or the weights. */
  readonly weightDecay?: number;
  /** No weight decay for BatchNorm parameters and biases; default false. */
  readonly noDecayNormBias?: boolean;
  /** Names of the parameters that train, as `resolveFreeze()` gives them; groups without any are dropped. Default: all. */
  readonly trainable?: ReadonlySet<string>;
}

/** A rate for the backbone's convolutions up to a share of all of them, each with its BatchNorm. */
export interface RateTier {
  /** 0 < until ≤ 1; tiers rise, and the last is 1. */
  readonly until: number;
  readonly lr: number;
}

export interface UniformOptions extends CommonGroupOptions {
  /** The rate of everything, or of the backbone alone where `headLr` is given. */
  readonly lr: number;
}

export interface TiersOptions extends CommonGroupOptions {
  /** From the input on: `[{ until: 0.25, lr: 1e-6 }, { until: 0.75, lr: 1e-5 }, { until: 1, lr: 1e-4 }]`. */
  readonly tiers: readonly RateTier[];
}

/** Rates by unit or stage; a unit's own goes before its stage's. */
export type UnitRates = Readonly<Record<BlockName, number> & Partial<Record<StageName, number>>>;

export interface ByUnitOptions extends CommonGroupOptions {
  /** Every unit that trains must have a rate; `headLr` goes before the head's here. */
  readonly lr: UnitRates | ((unit: UnitInfo) => number);
}

export interface LayerDecayOptions extends CommonGroupOptions {
  /** The head's rate, unless `headLr` says otherwise, and what the others are a part of. */
  readonly lr: number;
  /** A unit's rate is `lr · decay^distance`, its distance from the head 1 for the last block, and most for the stem; 0 < decay ≤ 1. */
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

/** The module of a parameter: `layer1.0.conv1.weight` → `layer1.0.conv1`. */
function moduleOf(parameter: string): string {
  return parameter.slice(0, parameter.lastIndexOf('.'));
}

function check(options: object, own: readonly string[], where: string): void {
  checkOptions(options, [...own, ...COMMON_KEYS], `groups.${where}()`);
  const common = options as CommonGroupOptions;
  if (common.headLr !== undefined) requireRate(common.headLr, 'headLr');
  requireNumber(common.weightDecay ?? 0, 'weightDecay', { min: 0 });
  requireBoolean(common.noDecayNormBias ?? false, 'noDecayNormBias');
}

function checkTiers(tiers: readonly RateTier[]): void {
  if (!Array.isArray(tiers) || tiers.length === 0) {
    throw invalidArgument('tiers must be an array of at least one { until, lr }.');
  }
  let last = 0;
  tiers.forEach((tier, index) => {
    checkOptions(tier, ['until', 'lr'], `tiers[${index}]`);
    requireRate(tier.lr, `tiers[${index}].lr`);
    requireNumber(tier.until, `tiers[${index}].until`, { exclusiveMin: last, max: 1 });
    last = tier.until;
  });
  if (last !== 1) throw invalidArgument(`The last of the tiers must reach 1, the whole backbone, not ${last}.`);
}

/** @param units default: those that some architecture has */
function checkUnitRates(lr: ByUnitOptions['lr'], units?: readonly UnitInfo[]): void {
  if (typeof lr === 'function') return;
  if (typeof lr !== 'object' || lr === null) {
    throw invalidArgument(
      `lr by unit must be an object such as { layer4: 1e-4, head: 1e-3 } or a function, not ${describe(lr)}.`,
    );
  }
  const known = partNames(units?.map(({ name }) => name));
  for (const [name, rate] of Object.entries(lr)) {
    requireOneOf(name, 'The unit that lr names', known);
    requireRate(rate, `lr of ${name}`);
  }
}

/** What can be checked without a network. */
const CHECKS = {
  uniform(options: UniformOptions): void {
    check(options, ['lr'], 'uniform');
    requireRate(options.lr, 'lr');
  },
  tiers(options: TiersOptions): void {
    check(options, ['tiers'], 'tiers');
    checkTiers(options.tiers);
  },
  byUnit(options: ByUnitOptions): void {
    check(options, ['lr'], 'byUnit');
    checkUnitRates(options.lr);
  },
  layerDecay(options: LayerDecayOptions): void {
    check(options, ['lr', 'decay'], 'layerDecay');
    requireRate(options.lr, 'lr');
    requireNumber(options.decay, 'decay', { exclusiveMin: 0, max: 1 });
  },
} as const;

/** Gathers the trainable parameters by place and decay, groups in the order of their first parameter. */
function collect(
  units: readonly UnitInfo[],
  options: CommonGroupOptions,
  place: (parameter: ParameterInfo, unit: UnitInfo) => Place,
): ParameterGroup[] {
  const groups = new Map<string, { name: string; parameters: string[]; lr: number; weightDecay: number }>();
  const { trainable, weightDecay = 0, noDecayNormBias = false } = options;
  const left = new Set(trainable ?? units.flatMap((unit) => unit.parameters.map(({ name }) => name)));
  if (left.size === 0) throw invalidArgument('There is nothing to put in groups: trainable is empty.');
  for (const unit of units) {
    for (const parameter of unit.parameters) {
      if (!left.delete(parameter.name)) continue;
      const { group, lr } = place(parameter, unit);
      const spared = weightDecay > 0 && noDecayNormBias && isNormOrBias(parameter);
      const name = spared ? `${group} (no decay)` : group;
      const found = groups.get(name);
      if (found) found.parameters.push(parameter.name);
      else groups.set(name, { name, parameters: [parameter.name], lr, weightDecay: spared ? 0 : weightDecay });
    }
  }
  const [stranger] = left;
  if (stranger !== undefined) {
    throw invalidArgument(`trainable holds ${stranger}, which is no parameter of these units.`);
  }
  return [...groups.values()];
}

function isNormOrBias({ kind, role }: ParameterInfo): boolean {
  return kind === 'batchNorm' || role === 'bias';
}

function uniform(units: readonly UnitInfo[], options: UniformOptions): ParameterGroup[] {
  CHECKS.uniform(options);
  const { lr, headLr } = options;
  if (headLr === undefined) return collect(units, options, () => ({ group: 'all', lr }));
  return collect(units, options, (_, unit) =>
    unit.name === 'head' ? { group: 'head', lr: headLr } : { group: 'backbone', lr },
  );
}

function tiers(units: readonly UnitInfo[], options: TiersOptions): ParameterGroup[] {
  CHECKS.tiers(options);
  const places = new Map<string, Place>();
  const backbone = backboneOf(units);
  let first = 0;
  options.tiers.forEach(({ until, lr }, index) => {
    const end = shareOf(until, backbone.convolutions.length);
    const convolutions = backbone.convolutions.slice(first, end);
    const place = { group: `tier${index + 1}: ${span(units, convolutions)}`, lr };
    for (const module of [...convolutions, ...backbone.batchNorms.slice(first, end)]) places.set(module, place);
    first = end;
  });
  const head = { group: 'head', lr: options.headLr ?? (options.tiers.at(-1) as RateTier).lr };
  return collect(units, options, ({ name }) => places.get(moduleOf(name)) ?? head);
}

/** The units that hold these convolutions: `stem … layer2.0`. */
function span(units: readonly UnitInfo[], convolutions: readonly string[]): string {
  const within = units.filter((unit) => unit.convolutions.some((name) => convolutions.includes(name)));
  const ends = [within[0]?.name, within.at(-1)?.name];
  return [...new Set(ends)].join(' … ');
}

function byUnit(units: readonly UnitInfo[], options: ByUnitOptions): ParameterGroup[] {
  CHECKS.byUnit(options);
  const { lr } = options;
  checkUnitRates(lr, units);
  const rateOf = (unit: UnitInfo): number => {
    if (unit.name === 'head' && options.headLr !== undefined) return options.headLr;
    const rate = typeof lr === 'function' ? lr(unit) : (lr[unit.name] ?? lr[stageOf(unit.name)]);
    if (rate === undefined) {
      throw invalidArgument(`groups.byUnit() has no rate for ${unit.name}. Name it or its stage in lr, or freeze it.`);
    }
    return requireRate(rate, `lr of ${unit.name}`);
  };
  return collect(units, options, (_, unit) => ({ group: unit.name, lr: rateOf(unit) }));
}

function layerDecay(units: readonly UnitInfo[], options: LayerDecayOptions): ParameterGroup[] {
  CHECKS.layerDecay(options);
  const { lr, decay } = options;
  const rateOf = ({ name, index }: UnitInfo) => {
    if (name === 'head') return options.headLr ?? lr;
    const distance = units.length - 1 - index;
    return requireRate(lr * decay ** distance, `of ${name}, lr · decay^${distance},`);
  };
  return collect(units, options, (_, unit) => ({ group: unit.name, lr: rateOf(unit) }));
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
  /** Rates by share of the backbone's convolutions: early layers slowest. */
  tiers,
  /** A rate for every unit or stage. */
  byUnit,
  /** Rates that fall by a factor from the head to the stem, as timm's and BEiT's layer-wise decay. */
  layerDecay,
} as const;

/** Names by which plain data knows the kinds of groups. */
export const GROUP_KINDS = Object.keys(CHECKS) as readonly GroupSpec['kind'][];

/**
 * Groups as plain data, checked as far as they can be without a network: they may have been written by hand.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for an unknown kind or option, or a number out of range
 */
export function groupSpecOf(spec: GroupSpec): GroupSpec {
  if (typeof spec !== 'object' || spec === null) {
    throw invalidArgument(`Groups as plain data must be an object with a kind, not ${describe(spec)}.`);
  }
  requireOneOf(spec.kind, 'The kind of groups', GROUP_KINDS);
  const { kind, ...options } = spec;
  (CHECKS[kind] as (options: object) => void)(options);
  if (spec.kind === 'byUnit' && typeof spec.lr === 'function') {
    throw invalidArgument(
      'A function is no plain data: give what groups.byUnit() returns, or lr as an object by unit.',
    );
  }
  return spec;
}

/**
 * The groups of plain data.
 *
 * @param trainable names of the parameters that train; default: all
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for an unknown kind or option, a number out of range, or a unit that
 * trains and has no rate
 */
export function buildGroups(
  units: readonly UnitInfo[],
  spec: GroupSpec,
  trainable?: ReadonlySet<string>,
): ParameterGroup[] {
  const { kind, ...options } = groupSpecOf(spec);
  const build = groups[kind] as (units: readonly UnitInfo[], options: object) => ParameterGroup[];
  return build(units, trainable === undefined ? options : { ...options, trainable });
}

/**
 * Reads tiers as the command line writes them: `0.25:1e-6,0.75:1e-5,1:1e-4`.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` naming the part that is wrong
 */
export function parseLrTiers(text: string): readonly RateTier[] {
  const parsed = text.split(',').map((part) => {
    const [until, lr, ...more] = part.split(':').map((piece) => piece.trim());
    if (!until || !lr || more.length > 0 || Number.isNaN(Number(until)) || Number.isNaN(Number(lr))) {
      throw invalidArgument(`Tiers are written share:rate, such as 0.25:1e-6,0.75:1e-5,1:1e-4; "${part}" is not.`);
    }
    return { until: Number(until), lr: Number(lr) };
  });
  checkTiers(parsed);
  return parsed;
}
