import { checkOptions, describe, invalidArgument, requireNumber, requireOneOf } from '../options.js';
import type { ParameterGroup } from './groups.js';
import { constant } from './schedules/constant.js';
import { cosine } from './schedules/cosine.js';
import { linear } from './schedules/linear.js';
import { type PolynomialOptions, polynomial } from './schedules/polynomial.js';
import type { OwnOption, ScheduleRule } from './schedules/rule.js';

/**
 * A factor on every group's rate at an optimizer step, finite and not negative. Steps count from 0 over the whole run;
 * `total` is how many there are.
 */
export type Schedule = (step: number, total: number) => number;

/** How a schedule begins. */
export interface WarmupOptions {
  /**
   * Optimizer steps over which the factor rises linearly to 1: `(step + 1) / warmup`, so that no step is made at a rate
   * of 0. Default 0.
   */
  readonly warmup?: number;
}

/** Of the schedules that fall. */
export interface ScheduleOptions extends WarmupOptions {
  /** What the factor falls to at the end, as a share of the whole rate, 0 to 1; default 0. */
  readonly floor?: number;
}

/** The schedules. A further one is a file of its own and a row here. */
const RULES = {
  /** The whole rate, after the warm-up. */
  constant,
  /** From the whole rate along half a cosine to the floor. */
  cosine,
  /** From the whole rate along a line to the floor. */
  linear,
  /** From the whole rate along a power of what is left to the floor. */
  polynomial,
} as const;

/** The name of a schedule. */
export type ScheduleKind = keyof typeof RULES;

/** Names by which options and the command line know the schedules. */
export const SCHEDULE_KINDS = Object.keys(RULES) as readonly ScheduleKind[];

type OwnOptions<Kind extends ScheduleKind> = (typeof RULES)[Kind] extends ScheduleRule<infer Own> ? Own : never;

type Falls<Kind extends ScheduleKind> = (typeof RULES)[Kind]['falls'];

/** A schedule as plain data, with its warm-up in epochs. */
export interface ScheduleSpec extends PolynomialOptions {
  readonly kind: ScheduleKind;
  /** Epochs of warm-up; a part of one is possible. Default 0. */
  readonly warmupEpochs?: number;
  /** As in `ScheduleOptions`; `constant` has none. */
  readonly floor?: number;
}

/** Schedules by name; each gives a pure function of the step. Another function of the same form serves as well. */
export const schedules = Object.fromEntries(
  SCHEDULE_KINDS.map((kind) => [kind, (options = {}) => schedule(kind, options)]),
) as {
  readonly [Kind in keyof typeof RULES]: (
    options?: Falls<Kind> extends true ? ScheduleOptions & OwnOptions<Kind> : WarmupOptions & OwnOptions<Kind>,
  ) => Schedule;
};

function schedule(kind: ScheduleKind, options: ScheduleOptions): Schedule {
  const rule: ScheduleRule = RULES[kind];
  checkOptions(options, ['warmup', ...namesOf(kind)], `schedules.${kind}()`);
  const warmup = requireNumber(options.warmup ?? 0, 'warmup', { min: 0, integer: true });
  const floor = requireNumber(options.floor ?? 0, 'floor', { min: 0, max: 1 });
  const own = ownValues(kind, options, '');
  return (step, total) => {
    if (step < warmup) return (step + 1) / warmup;
    return rule.factor(Math.min(1, (step - warmup) / Math.max(1, total - warmup)), floor, own);
  };
}

/** Options of a schedule beside its warm-up. */
function namesOf(kind: ScheduleKind): readonly string[] {
  const { falls, own }: ScheduleRule = RULES[kind];
  return [...(falls ? ['floor'] : []), ...Object.keys(own)];
}

/** Schedules that have an option of this name. */
export function schedulesWith(option: string): readonly ScheduleKind[] {
  return SCHEDULE_KINDS.filter((kind) => option === 'warmupEpochs' || namesOf(kind).includes(option));
}

function ownValues(kind: ScheduleKind, given: object, where: string): Readonly<Record<string, number>> {
  const own = RULES[kind].own as Readonly<Record<string, OwnOption>>;
  const values = given as Readonly<Record<string, unknown>>;
  return Object.fromEntries(
    Object.entries(own).map(([name, { range, default: value }]) => [
      name,
      requireNumber(values[name] ?? value, `${where}${name}`, range),
    ]),
  );
}

/**
 * Plain data of a schedule by its name, or checked as it is.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for an unknown name or option, or a number out of range
 */
export function scheduleOf(given: ScheduleKind | ScheduleSpec): ScheduleSpec {
  if (typeof given !== 'object' || given === null) return { kind: requireOneOf(given, 'schedule', SCHEDULE_KINDS) };
  const kind = requireOneOf(given.kind, 'schedule.kind', SCHEDULE_KINDS);
  checkOptions(given, ['kind', 'warmupEpochs', ...namesOf(kind)], `The schedule ${kind}`);
  if (given.warmupEpochs !== undefined) requireNumber(given.warmupEpochs, 'warmupEpochs', { min: 0 });
  if (given.floor !== undefined) requireNumber(given.floor, 'schedule.floor', { min: 0, max: 1 });
  ownValues(kind, given, 'schedule.');
  return given;
}

/**
 * The schedule of plain data, its warm-up turned into whole steps, to the nearest.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for an unknown kind or option, or a number out of range
 */
export function buildSchedule(spec: ScheduleSpec, stepsPerEpoch: number): Schedule {
  const { kind, warmupEpochs = 0, ...rest } = scheduleOf(spec);
  return schedule(kind, { ...rest, warmup: Math.round(warmupEpochs * stepsPerEpoch) });
}

/**
 * Rows of learning rates for `count` steps from `first` on, of `total` in the whole run.
 *
 * @returns row-major `[count × groups]`
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` where the schedule gives a factor that is negative or not finite
 */
export function rateRows(
  groups: readonly Pick<ParameterGroup, 'lr'>[],
  schedule: Schedule,
  first: number,
  count: number,
  total: number,
): Float64Array {
  const rows = new Float64Array(count * groups.length);
  for (let row = 0; row < count; row++) {
    const factor: unknown = schedule(first + row, total);
    if (typeof factor !== 'number' || !Number.isFinite(factor) || factor < 0) {
      throw invalidArgument(
        `The schedule must give a finite number, 0 or more; for step ${first + row} of ${total} it gave ${describe(factor)}.`,
      );
    }
    groups.forEach(({ lr }, column) => {
      rows[row * groups.length + column] = lr * factor;
    });
  }
  return rows;
}
