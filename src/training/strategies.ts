import type { Augmentation } from '../data/transforms.js';
import type { BatchNormPolicy, FreezePlan, FreezeRule } from '../model/freeze.js';
import type { HeadOptions } from '../model/head.js';
import type { UnitInfo } from '../model/units.js';
import type { GroupSpec, ParameterGroup, RateTier } from '../optim/groups.js';
import { type OptimizerSpec, optimizers } from '../optim/optimizers.js';
import type { ScheduleSpec } from '../optim/schedules.js';
import { requireOneOf } from '../options.js';

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

export type StrategyName = (typeof STRATEGY_NAMES)[number];

const HEAD: HeadOptions = { hidden: [1024], dropout: 0 };

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

/**
 * A strategy by name, or the value itself.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` naming the nearest known one.
 */
export function strategyOf(strategy: StrategyName | Strategy): Strategy {
  if (typeof strategy === 'object' && strategy !== null) return strategy;
  return strategies[requireOneOf(strategy, 'strategy', STRATEGY_NAMES)];
}

/**
 * Other rates for the same groups. `lr` becomes the rate of the last tier (or of all), and the other tiers keep their
 * ratio to it; `headLr` becomes the head's. A head that has a rate of its own keeps it when only `lr` is given.
 */
export function overrideRates(
  spec: GroupSpec,
  rates: { readonly lr?: number | undefined; readonly headLr?: number | undefined },
): GroupSpec {
  const head = rates.headLr === undefined ? {} : { headLr: rates.headLr };
  const { lr } = rates;
  if (lr === undefined) return { ...spec, ...head };
  if (spec.kind === 'tiers') {
    const last = (spec.tiers.at(-1) as RateTier).lr;
    const tiers = spec.tiers.map((tier, index) =>
      index === spec.tiers.length - 1 ? { ...tier, lr } : { ...tier, lr: (tier.lr / last) * lr },
    );
    return { ...spec, tiers, ...head };
  }
  if (spec.kind === 'byUnit') {
    const highest = Math.max(...Object.values(spec.lr));
    const scaled = Object.fromEntries(Object.entries(spec.lr).map(([unit, rate]) => [unit, (rate / highest) * lr]));
    return { ...spec, lr: scaled, ...head };
  }
  return { ...spec, lr, ...head };
}

/** A row of what `inspect` prints: a unit, and what happens to it. */
export interface UnitPlan {
  readonly unit: string;
  readonly parameters: number;
  readonly trainable: number;
  /** `train`, `eval`, or `mixed` where some of its BatchNorms are in each; `none` where it has none. */
  readonly batchNorm: 'train' | 'eval' | 'mixed' | 'none';
  readonly groups: readonly { readonly name: string; readonly lr: number; readonly weightDecay: number }[];
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
