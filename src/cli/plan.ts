import type { FreezeRule } from '../model/freeze.js';
import { type NamesIn, type NamesOf, namesOf, pick } from '../training/option-values.js';
import { overrideStrategy } from '../training/overrides.js';
import { DEFAULT_STRATEGY, type Strategy, strategyOf } from '../training/strategies.js';
import { type FlagArguments, flagsIn } from './flags.js';
import { given } from './given.js';

/** The strategy and the flags that override parts of it. */
export const PLAN_FLAGS = flagsIn('plan');

/** What they hold once parsed, and what else is a part of the strategy. */
export type PlanArguments = FlagArguments<NamesIn<'plan'> | NamesOf<'strategy'>>;

/**
 * The named strategy with the parts replaced that flags name.
 *
 * @param arch of the model; default: what the flags say
 */
export function strategyFromArguments(args: PlanArguments, arch = args.arch): Strategy {
  const base = strategyOf(args.strategy ?? DEFAULT_STRATEGY);
  const overrides = { ...pick(args, namesOf('strategy')), ...given({ freeze: freezeRule(args) }) };
  return {
    ...overrideStrategy(base, overrides, arch),
    head: { ...base.head, ...given({ hidden: args.head, dropout: args.dropout }) },
  };
}

function freezeRule(args: PlanArguments): FreezeRule | undefined {
  if (args.freezeUntil !== undefined) return { until: args.freezeUntil };
  if (args.freezeFraction !== undefined) return { fraction: args.freezeFraction };
  if (args.freezeMatch !== undefined) return { match: args.freezeMatch };
  return undefined;
}
