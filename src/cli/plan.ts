import type { FreezeRule } from '../model/freeze.js';
import type { StrategyOverrides } from '../training/options.js';
import { overrideStrategy } from '../training/overrides.js';
import { DEFAULT_STRATEGY, type Strategy, type StrategyName, strategies } from '../training/strategies.js';
import { given } from './given.js';

/** What the options of `planOptions`, and `augment`, hold once parsed. */
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

/** The named strategy with the parts replaced that flags name. */
export function strategyFromArguments(args: PlanArguments): Strategy {
  const base = strategies[args.strategy ?? DEFAULT_STRATEGY];
  return {
    ...overrideStrategy(base, overrides(args)),
    head: { ...base.head, ...given({ hidden: args.head, dropout: args.dropout }) },
  };
}

function overrides(args: PlanArguments): StrategyOverrides {
  return given({
    freeze: freezeRule(args),
    batchNorm: args.batchNorm,
    lr: args.lr,
    headLr: args.headLr,
    lrTiers: args.lrTiers,
    layerDecay: args.layerDecay,
    weightDecay: args.weightDecay,
    decayNormBias: args.decayNormBias,
    optimizer: args.optimizer,
    schedule: args.schedule,
    warmupEpochs: args.warmupEpochs,
    augment: args.augment,
  });
}

function freezeRule(args: PlanArguments): FreezeRule | undefined {
  if (args.freeze !== undefined) return args.freeze;
  if (args.freezeUntil !== undefined) return { until: args.freezeUntil };
  if (args.freezeFraction !== undefined) return { fraction: args.freezeFraction };
  if (args.freezeMatch !== undefined) return { match: args.freezeMatch };
  return undefined;
}
