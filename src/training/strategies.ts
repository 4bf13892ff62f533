import { type Augmentation, augmentationOf } from '../data/transforms/augmentation.js';
import type { UnitName } from '../model/architecture.js';
import {
  BATCH_NORM_POLICIES,
  type BatchNormPolicy,
  checkFreezeRule,
  type FreezePlan,
  type FreezeRule,
} from '../model/freeze.js';
import { type HeadOptions, headShape } from '../model/head.js';
import type { UnitInfo } from '../model/units.js';
import { type GroupSpec, groupSpecOf, type ParameterGroup, type RateTier } from '../optim/groups.js';
import { type OptimizerSpec, optimizerOf, optimizers } from '../optim/optimizers.js';
import { type ScheduleSpec, scheduleOf } from '../optim/schedules.js';
import { checkOptions, invalidArgument, requireNumber, requireOneOf } from '../options.js';

/** A way to fine-tune, as a value to print and edit: `{ ...strategies.partial, augment: 'standard' }`. */
export interface Strategy {
  readonly name: string;
  readonly description: string;
  readonly freeze: FreezeRule;
  readonly batchNorm: BatchNormPolicy;
  readonly groups: GroupSpec;
  readonly optimizer: OptimizerSpec;
  readonly schedule: ScheduleSpec;
  readonly augment: Augmentation;
  /** The head that a new model gets; a model that exists keeps its own. */
  readonly head: HeadOptions;
}

export const STRATEGY_NAMES = ['feature-extraction', 'partial', 'differential', 'full'] as const;

/** The name of a strategy. */
export type StrategyName = (typeof STRATEGY_NAMES)[number];

const HEAD: HeadOptions = { hidden: [1024], dropout: 0 };

/** The named ways of fine-tuning: values to print, copy and edit. */
export const strategies: Readonly<Record<StrategyName, Strategy>> = {
  'feature-extraction': {
    name: 'feature-extraction',
    description: 'The backbone is frozen; a new head is trained on its features.',
    freeze: 'backbone',
    batchNorm: 'follow',
    groups: { kind: 'uniform', lr: 1e-3 },
    optimizer: optimizers.adam(),
    schedule: { kind: 'constant' },
    augment: 'none',
    head: HEAD,
  },
  partial: {
    name: 'partial',
    description: 'The first half of the backbone is frozen; the rest and the head train at one low rate.',
    freeze: { fraction: 0.5 },
    batchNorm: 'follow',
    groups: { kind: 'uniform', lr: 1e-5 },
    optimizer: optimizers.adam(),
    schedule: { kind: 'constant' },
    augment: 'flip',
    head: HEAD,
  },
  differential: {
    name: 'differential',
    description: 'Everything trains, early layers slowest, by parameter groups with rates of their own.',
    freeze: 'none',
    batchNorm: 'follow',
    groups: {
      kind: 'tiers',
      tiers: [
        { until: 0.25, lr: 1e-6 },
        { until: 0.75, lr: 1e-5 },
        { until: 1, lr: 1e-4 },
      ],
      headLr: 1e-3,
    },
    optimizer: optimizers.adam(),
    schedule: { kind: 'constant' },
    augment: 'standard',
    head: HEAD,
  },
  full: {
    name: 'full',
    description: 'Everything trains at one rate, with weight decay, a warm-up and a cosine.',
    freeze: 'none',
    batchNorm: 'follow',
    groups: { kind: 'uniform', lr: 1e-4, weightDecay: 0.01 },
    optimizer: optimizers.adamW(),
    schedule: { kind: 'cosine', warmupEpochs: 1 },
    augment: 'standard',
    head: HEAD,
  },
};

/** What `train` uses when none is named. */
export const DEFAULT_STRATEGY: StrategyName = 'differential';

const STRATEGY_PARTS = [
  'name',
  'description',
  'freeze',
  'batchNorm',
  'groups',
  'optimizer',
  'schedule',
  'augment',
  'head',
] as const satisfies readonly (keyof Strategy)[];

/**
 * A strategy by name, or the value itself, checked as far as it can be without a network.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` naming the nearest known one, or the part that is wrong
 */
export function strategyOf(strategy: StrategyName | Strategy): Strategy {
  if (typeof strategy !== 'object' || strategy === null) {
    return strategies[requireOneOf(strategy, 'strategy', STRATEGY_NAMES)];
  }
  checkOptions(strategy, STRATEGY_PARTS, 'A strategy');
  const missing = STRATEGY_PARTS.find((part) => strategy[part] === undefined);
  if (missing !== undefined) {
    throw invalidArgument(
      `The strategy lacks ${missing}. Spread a known one: { ...strategies.partial, augment: 'none' }.`,
    );
  }
  if (typeof strategy.name !== 'string') throw invalidArgument('The name of a strategy must be a string.');
  checkFreezeRule(strategy.freeze);
  requireOneOf(strategy.batchNorm, 'batchNorm', BATCH_NORM_POLICIES);
  headShape(1, strategy.head);
  return {
    ...strategy,
    groups: groupSpecOf(strategy.groups),
    optimizer: optimizerOf(strategy.optimizer),
    schedule: scheduleOf(strategy.schedule),
    augment: augmentationOf(strategy.augment),
  };
}

/**
 * The highest rate for the backbone; the head's where there is no other.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for groups that have no rate
 */
export function topRate(spec: GroupSpec): number {
  if (spec.kind === 'tiers') return Math.max(...spec.tiers.map(({ lr }) => lr));
  if (spec.kind !== 'byUnit') return spec.lr;
  const { head, ...backbone } = spec.lr;
  const rates = Object.values(backbone);
  if (rates.length > 0) return Math.max(...rates);
  const only = head ?? spec.headLr;
  if (only === undefined) throw invalidArgument('The groups by unit name no rate: lr is empty.');
  return only;
}

/**
 * Other rates for the same groups. `headLr` becomes the head's rate. `lr` becomes the rate of the last tier, of the
 * backbone's fastest unit, or of all, and the backbone's other rates keep their ratio to it. The head keeps a rate of its
 * own when only `lr` is given; where it has none, it follows.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for a rate that is not finite or not above 0
 */
export function overrideRates(
  spec: GroupSpec,
  rates: { readonly lr?: number | undefined; readonly headLr?: number | undefined },
): GroupSpec {
  groupSpecOf(spec);
  const { lr, headLr } = rates;
  const head = headLr === undefined ? {} : { headLr: requireNumber(headLr, 'headLr', { exclusiveMin: 0 }) };
  if (lr === undefined) return { ...spec, ...head };
  requireNumber(lr, 'lr', { exclusiveMin: 0 });
  switch (spec.kind) {
    case 'tiers': {
      const last = (spec.tiers.at(-1) as RateTier).lr;
      return { ...spec, tiers: spec.tiers.map((tier) => ({ ...tier, lr: scaled(tier.lr, last, lr) })), ...head };
    }
    case 'byUnit': {
      const top = topRate(spec);
      const onlyHead = Object.keys(spec.lr).every((unit) => unit === 'head');
      const rateOf = (unit: string, rate: number) => (unit === 'head' && !onlyHead ? rate : scaled(rate, top, lr));
      const units = Object.fromEntries(Object.entries(spec.lr).map(([unit, rate]) => [unit, rateOf(unit, rate)]));
      return { ...spec, lr: units, ...head };
    }
    default:
      return { ...spec, lr, ...head };
  }
}

/** A rate that stands to `to` as it stood to `from`, without the last digits' noise. */
function scaled(rate: number, from: number, to: number): number {
  return rate === from ? to : Number(((rate / from) * to).toPrecision(12));
}

/** A row of what `inspect` prints: a unit, and what happens to it. */
export interface UnitPlan {
  readonly unit: UnitName;
  /** Values in its parameters, and in those of them that train. */
  readonly parameters: number;
  readonly trainable: number;
  /** `train`, `eval`, or `mixed` where some of its BatchNorms are in each; `none` where it has none. */
  readonly batchNorm: 'train' | 'eval' | 'mixed' | 'none';
  /** The groups that hold its trainable parameters, in the order of the groups; none where all is frozen. */
  readonly groups: readonly Pick<ParameterGroup, 'name' | 'lr' | 'weightDecay'>[];
}

/** What freezing and groups come to, by unit. */
export function describePlan(
  units: readonly UnitInfo[],
  plan: FreezePlan,
  groups: readonly ParameterGroup[],
): readonly UnitPlan[] {
  const groupOf = new Map(groups.flatMap((group) => group.parameters.map((name) => [name, group] as const)));
  const training = new Set(plan.batchNormTraining);
  return units.map((unit) => {
    const trainable = unit.parameters.filter(({ name }) => plan.trainable.has(name));
    const active = unit.batchNorms.filter((norm) => training.has(norm)).length;
    const own = new Set(trainable.flatMap(({ name }) => groupOf.get(name) ?? []));
    return {
      unit: unit.name,
      parameters: unit.parameters.reduce((sum, { size }) => sum + size, 0),
      trainable: trainable.reduce((sum, { size }) => sum + size, 0),
      batchNorm: batchNormState(active, unit.batchNorms.length),
      groups: [...own].map(({ name, lr, weightDecay }) => ({ name, lr, weightDecay })),
    };
  });
}

function batchNormState(active: number, count: number): UnitPlan['batchNorm'] {
  if (count === 0) return 'none';
  if (active === 0) return 'eval';
  return active === count ? 'train' : 'mixed';
}
