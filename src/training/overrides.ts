import { AUGMENTATIONS } from '../data/transforms.js';
import { type GroupSpec, groupSpecOf } from '../optim/groups.js';
import { optimizerOf } from '../optim/optimizers.js';
import { type ScheduleSpec, scheduleOf } from '../optim/schedules.js';
import { invalidArgument, requireBoolean, requireNumber, requireOneOf } from '../options.js';
import type { StrategyOverrides } from './options.js';
import { overrideRates, type Strategy, topRate } from './strategies.js';

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
    optimizer: overrides.optimizer === undefined ? base.optimizer : optimizerOf(overrides.optimizer),
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
  const start = o.groups === undefined ? base.groups : groupSpecOf(o.groups as GroupSpec);
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

/** Another kind keeps the warm-up, and has no floor. */
function scheduleSpec(base: ScheduleSpec, { schedule, warmupEpochs }: StrategyOverrides): ScheduleSpec {
  if (typeof schedule === 'function') {
    if (!warmupEpochs) return base;
    throw invalidArgument('A schedule that is a function has its own warm-up. Leave warmupEpochs out.');
  }
  let spec = base;
  if (typeof schedule === 'object') {
    spec = schedule;
  } else if (schedule !== undefined && schedule !== base.kind) {
    const { warmupEpochs: kept } = base;
    spec = { ...scheduleOf(schedule), ...(kept === undefined ? {} : { warmupEpochs: kept }) };
  }
  return scheduleOf(warmupEpochs === undefined ? spec : { ...spec, warmupEpochs });
}
