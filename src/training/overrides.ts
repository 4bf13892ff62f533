import { AUGMENTATIONS } from '../data/transforms.js';
import type { GroupSpec } from '../optim/groups.js';
import { OPTIMIZER_KINDS, type OptimizerSpec, optimizerOf, optimizers } from '../optim/optimizers.js';
import { SCHEDULE_KINDS, type ScheduleSpec } from '../optim/schedules.js';
import { checkOptions, invalidArgument, requireBoolean, requireNumber, requireOneOf } from '../options.js';
import type { StrategyOverrides } from './options.js';
import { overrideRates, type Strategy } from './strategies.js';

export const OVERRIDE_NAMES = [
  'freeze',
  'batchNorm',
  'groups',
  'lr',
  'headLr',
  'lrTiers',
  'layerDecay',
  'weightDecay',
  'decayNormBias',
  'optimizer',
  'schedule',
  'warmupEpochs',
  'augment',
] as const satisfies readonly (keyof StrategyOverrides)[];

/**
 * A strategy with the parts replaced that are given. Groups that are not plain data and schedules that are functions
 * have no place in a strategy; they are left to the run.
 *
 * @throws ERR_INVALID_ARGUMENT for a value out of range, or options that contradict each other
 */
export function overrideStrategy(base: Strategy, overrides: StrategyOverrides): Strategy {
  return {
    ...base,
    freeze: overrides.freeze ?? base.freeze,
    batchNorm: overrides.batchNorm ?? base.batchNorm,
    groups: groupSpec(base, overrides),
    optimizer: overrides.optimizer === undefined ? base.optimizer : optimizerSpec(overrides.optimizer),
    schedule: scheduleSpec(base.schedule, overrides),
    augment: overrides.augment === undefined ? base.augment : requireOneOf(overrides.augment, 'augment', AUGMENTATIONS),
  };
}

const GROUP_OPTIONS = ['lr', 'headLr', 'lrTiers', 'layerDecay', 'weightDecay', 'decayNormBias'] as const;

function groupSpec(base: Strategy, o: StrategyOverrides): GroupSpec {
  const kinds = (['groups', 'lrTiers', 'layerDecay'] as const).filter((name) => o[name] !== undefined);
  if (kinds.length > 1)
    throw invalidArgument(`${kinds.join(' and ')} exclude each other: each says what the groups are.`);
  if (Array.isArray(o.groups)) {
    const also = GROUP_OPTIONS.find((name) => o[name] !== undefined);
    if (also !== undefined) {
      throw invalidArgument(
        `groups holds rates and decays of its own. Leave ${also} out, or give groups as plain data.`,
      );
    }
    return base.groups;
  }
  if (o.lr !== undefined) requireNumber(o.lr, 'lr', { exclusiveMin: 0 });
  if (o.headLr !== undefined) requireNumber(o.headLr, 'headLr', { exclusiveMin: 0 });
  const start = (o.groups as GroupSpec | undefined) ?? base.groups;
  const common = {
    ...(start.headLr === undefined ? {} : { headLr: start.headLr }),
    ...(start.weightDecay === undefined ? {} : { weightDecay: start.weightDecay }),
    ...(start.noDecayNormBias === undefined ? {} : { noDecayNormBias: start.noDecayNormBias }),
    ...(o.weightDecay === undefined
      ? {}
      : {
          weightDecay: requireNumber(o.weightDecay, 'weightDecay', { min: 0 }),
        }),
    ...(o.decayNormBias === undefined ? {} : { noDecayNormBias: !requireBoolean(o.decayNormBias, 'decayNormBias') }),
  };
  let spec: GroupSpec = { ...start, ...common };
  if (o.lrTiers !== undefined) spec = { kind: 'tiers', tiers: o.lrTiers, ...common };
  if (o.layerDecay !== undefined)
    spec = {
      kind: 'layerDecay',
      lr: topRate(start),
      decay: o.layerDecay,
      ...common,
    };
  return overrideRates(spec, { lr: o.lr, headLr: o.headLr });
}

/** The rate of the last tier, of the fastest unit, or of all. */
function topRate(spec: GroupSpec): number {
  if (spec.kind === 'tiers') return Math.max(...spec.tiers.map(({ lr }) => lr));
  return spec.kind === 'byUnit' ? Math.max(...Object.values(spec.lr)) : spec.lr;
}

/** A name, or plain data that may have been written by hand, checked. */
export function optimizerSpec(optimizer: NonNullable<StrategyOverrides['optimizer']>): OptimizerSpec {
  if (typeof optimizer === 'string') return optimizerOf(requireOneOf(optimizer, 'optimizer', OPTIMIZER_KINDS));
  if (typeof optimizer !== 'object' || optimizer === null) {
    throw invalidArgument(`optimizer must be one of ${OPTIMIZER_KINDS.join(', ')}, or what optimizers.* returns.`);
  }
  // Plain data may have been written by hand; the functions that make it hold the checks.
  const kind = requireOneOf(optimizer.kind, 'optimizer.kind', OPTIMIZER_KINDS);
  if (kind === 'sgd') {
    const { kind: _, ...options } = optimizer as Extract<OptimizerSpec, { kind: 'sgd' }>;
    return optimizers.sgd(options);
  }
  checkOptions(optimizer, ['kind', 'beta1', 'beta2', 'eps'], 'optimizer');
  const { beta1, beta2, eps } = optimizer as Extract<OptimizerSpec, { kind: 'adam' | 'adamw' }>;
  return optimizers[kind === 'adam' ? 'adam' : 'adamW']({
    betas: [beta1, beta2],
    eps,
  });
}

/** Another kind keeps the warm-up, and has no floor. */
function scheduleSpec(base: ScheduleSpec, { schedule, warmupEpochs }: StrategyOverrides): ScheduleSpec {
  let spec = base;
  if (typeof schedule === 'object' && schedule !== null) {
    spec = schedule;
  } else if (typeof schedule === 'function') {
    if (warmupEpochs !== undefined) {
      throw invalidArgument('A schedule that is a function has its own warm-up. Leave warmupEpochs out.');
    }
  } else if (schedule !== undefined) {
    const kind = requireOneOf(schedule, 'schedule', SCHEDULE_KINDS);
    const { warmupEpochs: warmup } = base;
    if (kind !== base.kind)
      spec = {
        kind,
        ...(warmup === undefined ? {} : { warmupEpochs: warmup }),
      };
  }
  return warmupEpochs === undefined ? spec : { ...spec, warmupEpochs };
}
