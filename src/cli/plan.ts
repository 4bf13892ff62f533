import type { FreezeRule } from '../model/freeze.js';
import type { GroupSpec } from '../optim/groups.js';
import { type OptimizerSpec, optimizers } from '../optim/optimizers.js';
import type { ScheduleSpec } from '../optim/schedules.js';
import { overrideRates, type Strategy, type StrategyName, strategies } from '../training/strategies.js';
import { given } from './given.js';

/** What the options of `planOptions` hold once parsed. */
export interface PlanArguments {
  readonly strategy?: StrategyName | undefined;
  readonly freeze?: 'backbone' | 'none' | undefined;
  readonly freezeUntil?: string | undefined;
  readonly freezeFraction?: number | undefined;
  readonly freezeMatch?: string | undefined;
  readonly batchNorm?: 'follow' | 'eval' | 'train' | undefined;
  readonly lr?: number | undefined;
  readonly headLr?: number | undefined;
  readonly lrTiers?: readonly { readonly until: number; readonly lr: number }[] | undefined;
  readonly layerDecay?: number | undefined;
  readonly weightDecay?: number | undefined;
  readonly decayNormBias?: boolean | undefined;
  readonly optimizer?: 'sgd' | 'adam' | 'adamw' | undefined;
  readonly schedule?: 'constant' | 'cosine' | 'linear' | undefined;
  readonly warmupEpochs?: number | undefined;
  readonly augment?: 'none' | 'flip' | 'standard' | undefined;
  readonly head?: readonly number[] | undefined;
  readonly dropout?: number | undefined;
}

/** The named strategy (`differential` when none is named) with the parts replaced that flags name. */
export function strategyFromArguments(args: PlanArguments): Strategy {
  const base = strategies[args.strategy ?? 'differential'];
  return {
    ...base,
    freeze: freezeRule(args) ?? base.freeze,
    batchNorm: args.batchNorm ?? base.batchNorm,
    groups: groupSpec(base, args),
    optimizer: args.optimizer === undefined ? base.optimizer : optimizerSpec(args.optimizer),
    schedule: scheduleSpec(base, args),
    augment: args.augment ?? base.augment,
    head: {
      ...base.head,
      ...(args.head === undefined ? {} : { hidden: args.head }),
      ...(args.dropout === undefined ? {} : { dropout: args.dropout }),
    },
  };
}

function freezeRule(args: PlanArguments): FreezeRule | undefined {
  if (args.freeze !== undefined) return args.freeze;
  if (args.freezeUntil !== undefined) return { until: args.freezeUntil };
  if (args.freezeFraction !== undefined) return { fraction: args.freezeFraction };
  if (args.freezeMatch !== undefined) return { match: args.freezeMatch };
  return undefined;
}

function groupSpec(base: Strategy, args: PlanArguments): GroupSpec {
  const { lr, headLr } = args;
  const common = {
    ...given({ headLr: base.groups.headLr, weightDecay: base.groups.weightDecay }),
    ...given({ weightDecay: args.weightDecay }),
    ...given({ noDecayNormBias: args.decayNormBias === undefined ? base.groups.noDecayNormBias : !args.decayNormBias }),
  };
  let spec: GroupSpec = { ...base.groups, ...common };
  if (args.lrTiers !== undefined) spec = { kind: 'tiers', tiers: args.lrTiers, ...common };
  if (args.layerDecay !== undefined) spec = { kind: 'layerDecay', lr: topRate(base.groups), decay: args.layerDecay, ...common };
  return overrideRates(spec, given({ lr, headLr }));
}

/** The rate of a strategy's last tier, or of all. */
function topRate(spec: GroupSpec): number {
  if (spec.kind === 'tiers') return spec.tiers.at(-1)?.lr ?? DEFAULT_RATE;
  return spec.kind === 'byUnit' ? DEFAULT_RATE : spec.lr;
}

const DEFAULT_RATE = 1e-4;

function optimizerSpec(kind: 'sgd' | 'adam' | 'adamw'): OptimizerSpec {
  return kind === 'sgd' ? optimizers.sgd() : kind === 'adam' ? optimizers.adam() : optimizers.adamW();
}

/** Another kind of schedule keeps the warm-up; a constant one has no floor. */
function scheduleSpec(base: Strategy, args: PlanArguments): ScheduleSpec {
  const warmupEpochs = args.warmupEpochs ?? base.schedule.warmupEpochs;
  const kind = args.schedule ?? base.schedule.kind;
  const spec = kind === base.schedule.kind ? base.schedule : { kind };
  return { ...spec, ...given({ warmupEpochs }) };
}
