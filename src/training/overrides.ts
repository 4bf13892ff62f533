import { type Augmentation, augmentationOf, specOf } from '../data/transforms/augmentation.js';
import { type ArchitectureName, DEFAULT_ARCHITECTURE } from '../model/architecture.js';
import { freezesBackbone } from '../model/freeze.js';
import { describeUnits } from '../model/units.js';
import { type GroupSpec, groupSpecOf, type ParameterGroup } from '../optim/groups.js';
import { type OptimizerSpec, optimizerWith, usualWeightDecay } from '../optim/optimizers.js';
import { missingOptions, type ScheduleSpec, scheduleOf, schedulesWith } from '../optim/schedules.js';
import { invalidArgument } from '../options.js';
import { checkedValues, namesOf, OPTION_ROWS, pick } from './option-values.js';
import type { StrategyOverrides } from './options.js';
import { overrideRates, type Strategy, topRate } from './strategies.js';

const OVERRIDES = namesOf('strategy');

/**
 * A strategy with the parts replaced that are given.
 *
 * - `lr` is as `overrideRates()` says; where the head alone is left to train, it is the head's.
 * - `lrTiers` and `layerDecay` replace the groups and keep the strategy's head rate and weight decay. `layerDecay` falls
 *   from `lr`, or else from the highest rate that the strategy has for the backbone.
 * - An optimizer in the place of another brings its usual weight decay, where it has one (`adamw`: 0.01), unless
 *   `weightDecay`, `groups` or the strategy says otherwise.
 * - Another kind of schedule keeps the warm-up, and not the floor.
 * - Another `augment` is all of it; its parts, such as `randomErasing`, change what is there.
 * - Groups that are not plain data and schedules that are functions have no place in a strategy; they are left to the run.
 *
 * @throws ERR_INVALID_ARGUMENT for a value out of range, or options that contradict each other
 */
export function overrideStrategy(
  base: Strategy,
  given: StrategyOverrides,
  arch: ArchitectureName = DEFAULT_ARCHITECTURE,
): Strategy {
  const overrides = pick(checkedValues(given, OVERRIDES), OVERRIDES);
  const { freeze = base.freeze, batchNorm = base.batchNorm } = overrides;
  const { optimizer: named = base.optimizer, optimizerOptions: own } = overrides;
  const optimizer = own === undefined ? named : optimizerWith(named, own);
  const headAlone = freezesBackbone(freeze, describeUnits({ classes: 1, hidden: [], dropout: 0 }, arch));
  return {
    ...base,
    freeze,
    batchNorm,
    groups: overrideGroups(base, optimizer, headAlone, overrides),
    optimizer,
    schedule: overrideSchedule(base.schedule, overrides),
    augment: overrideAugment(base.augment, overrides),
  };
}

const GROUP_OPTIONS = ['lr', 'headLr', 'lrTiers', 'layerDecay', 'weightDecay', 'decayNormBias'] as const;

function overrideGroups(base: Strategy, optimizer: OptimizerSpec, headAlone: boolean, o: StrategyOverrides): GroupSpec {
  const kinds = (['groups', 'lrTiers', 'layerDecay'] as const).filter((name) => o[name] !== undefined);
  if (kinds.length > 1) {
    throw invalidArgument(`${kinds.join(' and ')} exclude each other: each says what the groups are.`);
  }
  if (isGroupList(o.groups)) {
    const also = GROUP_OPTIONS.find((name) => o[name] !== undefined);
    if (also === undefined) return base.groups;
    throw invalidArgument(`groups holds rates and decays of its own. Leave ${also} out, or give groups as plain data.`);
  }
  const start = groupSpecOf(o.groups ?? base.groups);
  const changed = optimizer.kind !== base.optimizer.kind && o.groups === undefined;
  const weightDecay = o.weightDecay ?? start.weightDecay ?? (changed ? usualWeightDecay(optimizer.kind) : undefined);
  const spared = o.decayNormBias === undefined ? start.noDecayNormBias : !o.decayNormBias;
  const common = {
    ...(start.headLr === undefined ? {} : { headLr: start.headLr }),
    ...(weightDecay === undefined ? {} : { weightDecay }),
    ...(spared === undefined ? {} : { noDecayNormBias: spared }),
  };
  let spec: GroupSpec = { ...start, ...common };
  if (o.lrTiers !== undefined) spec = { kind: 'tiers', tiers: o.lrTiers, ...common };
  if (o.layerDecay !== undefined) spec = { kind: 'layerDecay', lr: topRate(start), decay: o.layerDecay, ...common };
  // Where the backbone is frozen, a rate that left the head's alone would change nothing.
  const headLr = o.headLr ?? (headAlone && spec.headLr !== undefined ? o.lr : undefined);
  return overrideRates(spec, { lr: o.lr, headLr });
}

function isGroupList(groups: StrategyOverrides['groups']): groups is readonly ParameterGroup[] {
  return Array.isArray(groups);
}

/** Options that replace a part of the schedule, and what the schedule calls it. */
const SCHEDULE_PARTS = OPTION_ROWS.flatMap(([name, { schedulePart }]) =>
  schedulePart === undefined ? [] : [{ name: name as keyof StrategyOverrides, part: schedulePart }],
);

function overrideSchedule(base: ScheduleSpec, overrides: StrategyOverrides): ScheduleSpec {
  const { schedule } = overrides;
  const given = SCHEDULE_PARTS.filter(({ name }) => overrides[name] !== undefined);
  if (typeof schedule === 'function') {
    const [first] = given;
    if (first === undefined) return base;
    throw invalidArgument(`A schedule that is a function is all of it. Leave ${first.name} out.`);
  }
  let spec = schedule === undefined ? base : scheduleOf(schedule);
  if (typeof schedule === 'string') {
    const keeps = base.warmupEpochs !== undefined && schedulesWith('warmupEpochs').includes(spec.kind);
    const warmup = keeps ? { warmupEpochs: base.warmupEpochs } : {};
    spec = spec.kind === base.kind ? base : { ...spec, ...warmup };
  }
  for (const { name, part } of given) {
    const kinds = schedulesWith(part);
    if (!kinds.includes(spec.kind)) {
      throw invalidArgument(
        `${name} is for the schedule ${kinds.join(' or ')}, and this is ${spec.kind}. Leave it out.`,
      );
    }
    spec = { ...spec, [part]: overrides[name] };
  }
  const missing = missingOptions(spec);
  const needed = SCHEDULE_PARTS.find(({ part }) => missing.includes(part));
  if (needed !== undefined) throw invalidArgument(`The schedule ${spec.kind} needs ${needed.name}.`);
  return scheduleOf(spec);
}

/** Options that replace a part of the augmentation, by its name there. */
const AUGMENT_PARTS = OPTION_ROWS.flatMap(([name, { isAugmentPart }]) =>
  isAugmentPart === true ? [name as keyof StrategyOverrides] : [],
);

function overrideAugment(base: Augmentation, overrides: StrategyOverrides): Augmentation {
  return augmentationOf({ ...specOf(overrides.augment ?? base), ...pick(overrides, AUGMENT_PARTS) });
}
