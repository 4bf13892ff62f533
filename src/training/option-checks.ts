import { isAbortSignal } from '../kinds.js';
import { checkFreezeRule, type FreezeRule } from '../model/freeze.js';
import { type GroupSpec, groupSpecOf, type ParameterGroup } from '../optim/groups.js';
import type { SettingValues } from '../optim/optimizers/rule.js';
import { type Schedule, type ScheduleSpec, scheduleOf } from '../optim/schedules.js';
import { describe, invalidArgument, requireNumber } from '../options.js';
import type { OnEpoch } from './epoch-control.js';
import { checkGroupValues } from './group-list.js';
import type { TrainOptions } from './options.js';

/** Checks of options that are no plain number or word; each throws `ERR_INVALID_ARGUMENT` naming the option. */

export function requirePath(value: unknown, name: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw invalidArgument(`${name} must be the path of a directory, not ${describe(value)}.`);
}

export function requireSignal(value: unknown, name: string): AbortSignal {
  if (isAbortSignal(value)) return value;
  throw invalidArgument(`${name} must be an AbortSignal.`);
}

export function requireCallback(value: unknown, name: string): OnEpoch {
  if (typeof value === 'function') return value as OnEpoch;
  throw invalidArgument(`${name} must be a function.`);
}

export function requireRule(value: unknown): FreezeRule {
  checkFreezeRule(value as FreezeRule);
  return value as FreezeRule;
}

export function requireGroups(value: unknown): GroupSpec | readonly ParameterGroup[] {
  if (!Array.isArray(value)) return groupSpecOf(value as GroupSpec);
  checkGroupValues(value);
  return value;
}

export function requireTiers(value: unknown): NonNullable<TrainOptions['lrTiers']> {
  groupSpecOf({ kind: 'tiers', tiers: value as NonNullable<TrainOptions['lrTiers']> });
  return value as NonNullable<TrainOptions['lrTiers']>;
}

export function requireMilestones(value: unknown, name: string): readonly number[] {
  if (!Array.isArray(value) || value.length === 0) {
    throw invalidArgument(
      `${name} must be an array of epochs, one at least, such as [30, 60], not ${describe(value)}.`,
    );
  }
  return value.map((epoch: unknown, index) => requireNumber(epoch, `${name}[${index}]`, { exclusiveMin: 0 }));
}

export function requireSchedule(value: unknown): Schedule | ScheduleSpec | ScheduleSpec['kind'] {
  if (typeof value === 'function') return value as Schedule;
  scheduleOf(value as ScheduleSpec);
  return value as ScheduleSpec;
}

/** What each may be is for the optimizer to say. */
export function requireSettings(value: unknown, name: string): NonNullable<TrainOptions['optimizerOptions']> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as SettingValues;
  throw invalidArgument(`${name} must be settings by name, such as { momentum: 0.8 }, not ${describe(value)}.`);
}
