import { checkOptions, describe, invalidArgument, requireNumber, requireOneOf } from '../options.js';
import type { ParameterGroup } from './groups.js';
import { constant } from './schedules/constant.js';
import { cosine } from './schedules/cosine.js';
import { type CosineRestartsOptions, cosineRestarts } from './schedules/cosine-restarts.js';
import { exponential } from './schedules/exponential.js';
import { linear } from './schedules/linear.js';
import { multiStep } from './schedules/multi-step.js';
import { type OneCycleOptions, oneCycle } from './schedules/one-cycle.js';
import { type PolynomialOptions, polynomial } from './schedules/polynomial.js';
import type { OwnOption, ScheduleRule } from './schedules/rule.js';
import { step } from './schedules/step.js';

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
  /** Half a cosine again and again. */
  cosineRestarts,
  /** From a part of the rate up to the whole of it and down to almost nothing. */
  oneCycle,
  /** Falls by a factor every so many epochs. */
  step,
  /** Falls by a factor after given epochs. */
  multiStep,
  /** Falls by a factor after every epoch. */
  exponential,
} as const;

type InCode = keyof typeof RULES;

/** `oneCycle` is `one-cycle` on the command line and in plain data. */
type InWords<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `-${Lowercase<First>}`}${InWords<Rest>}`
  : Name;

/** The name of a schedule. */
export type ScheduleKind = InWords<InCode>;

const NAMES = new Map(
  Object.keys(RULES).map((name) => [
    name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`) as ScheduleKind,
    name as InCode,
  ]),
);

/** Names by which options and the command line know the schedules. */
export const SCHEDULE_KINDS: readonly ScheduleKind[] = [...NAMES.keys()];

function inCode(kind: ScheduleKind): InCode {
  return NAMES.get(kind) as InCode;
}

type OwnOptions<Name extends InCode> = (typeof RULES)[Name] extends ScheduleRule<infer Own> ? Own : never;

type OptionsOf<Name extends InCode> = OwnOptions<Name> &
  (Name extends 'oneCycle' ? object : (typeof RULES)[Name]['falls'] extends true ? ScheduleOptions : WarmupOptions);

/** A schedule as plain data. What counts steps in the function of its name counts epochs here, or a part of one. */
export interface ScheduleSpec extends PolynomialOptions, CosineRestartsOptions, OneCycleOptions {
  readonly kind: ScheduleKind;
  /** Epochs of warm-up; a part of one is possible. Default 0. */
  readonly warmupEpochs?: number;
  /** As in `ScheduleOptions`, of those that have one. */
  readonly floor?: number;
  /** Of `step` (default: a third of the run) and `exponential` (default 1): epochs between two falls, above 0. */
  readonly everyEpochs?: number;
  /** Of `multi-step`: epochs after which the rate falls, above 0; one at least. */
  readonly milestoneEpochs?: readonly number[];
  /** Of `step`, `multi-step` (default 0.1) and `exponential` (default 0.95): what the rate is multiplied by, above 0, at most 1. */
  readonly gamma?: number;
}

/** Schedules by name; each gives a pure function of the step. Another function of the same form serves as well. */
export const schedules = Object.fromEntries(
  SCHEDULE_KINDS.map((kind) => [inCode(kind), (options = {}) => schedule(kind, options)]),
) as unknown as {
  readonly [Name in keyof typeof RULES]: (
    ...options: object extends OwnOptions<Name> ? [options?: OptionsOf<Name>] : [options: OptionsOf<Name>]
  ) => Schedule;
};

function schedule(kind: ScheduleKind, options: ScheduleOptions): Schedule {
  const rule: ScheduleRule = RULES[inCode(kind)];
  checkOptions(options, namesOf(kind, 'steps'), `schedules.${inCode(kind)}()`);
  const warmup = requireNumber(options.warmup ?? 0, 'warmup', { min: 0, integer: true });
  const floor = requireNumber(options.floor ?? 0, 'floor', { min: 0, max: 1 });
  const own = ownValues(kind, options, { unit: 'steps', where: '' });
  return (step, total) => {
    if (step < warmup) return (step + 1) / warmup;
    const left = Math.max(1, total - warmup);
    return rule.factor({ step: step - warmup, total: left, progress: Math.min(1, (step - warmup) / left) }, floor, own);
  };
}

/** What options count that count time: in code steps, in plain data epochs. */
type TimeUnit = 'steps' | 'epochs';

/** Options that a schedule has of its own, by the name that the rule has for each. */
function ownOptions(kind: ScheduleKind): readonly (readonly [name: string, option: OwnOption])[] {
  return Object.entries(RULES[inCode(kind)].own as Readonly<Record<string, OwnOption>>);
}

/** Options of a schedule. */
function namesOf(kind: ScheduleKind, unit: TimeUnit): readonly string[] {
  const { falls, rises }: ScheduleRule = RULES[inCode(kind)];
  const warmup = unit === 'epochs' ? 'warmupEpochs' : 'warmup';
  return [
    ...(rises ? [] : [warmup]),
    ...(falls ? ['floor'] : []),
    ...ownOptions(kind).map((entry) => writtenName(entry, unit)),
  ];
}

function writtenName([name, { inEpochs }]: readonly [string, OwnOption], unit: TimeUnit): string {
  return unit === 'epochs' ? (inEpochs ?? name) : name;
}

/** Schedules whose plain data has an option of this name. */
export function schedulesWith(option: string): readonly ScheduleKind[] {
  return SCHEDULE_KINDS.filter((kind) => namesOf(kind, 'epochs').includes(option));
}

/** Options that the plain data of a schedule lacks and must have. */
export function missingOptions(spec: ScheduleSpec): readonly string[] {
  const given = spec as unknown as Readonly<Record<string, unknown>>;
  return ownOptions(spec.kind).flatMap((entry) => {
    const [, option] = entry;
    const name = writtenName(entry, 'epochs');
    return option.default === undefined && !option.optional && given[name] === undefined ? [name] : [];
  });
}

/** By the rule's names; what counts epochs is multiplied by `stepsPerEpoch`. */
function ownValues(
  kind: ScheduleKind,
  given: object,
  {
    unit,
    where,
    stepsPerEpoch = 1,
  }: { readonly unit: TimeUnit; readonly where: string; readonly stepsPerEpoch?: number },
): Readonly<Record<string, number | readonly number[]>> {
  const values = given as Readonly<Record<string, unknown>>;
  const entries = ownOptions(kind).flatMap((entry) => {
    const [name, option] = entry;
    const value = values[writtenName(entry, unit)] ?? option.default;
    if (value === undefined && option.optional) return [];
    const checked = ownValue(value, `${where}${writtenName(entry, unit)}`, option);
    const times = option.inEpochs === undefined ? 1 : stepsPerEpoch;
    return [[name, typeof checked === 'number' ? checked * times : checked.map((one) => one * times)] as const];
  });
  return Object.fromEntries(entries);
}

function ownValue(value: unknown, name: string, { range, list }: OwnOption): number | readonly number[] {
  if (!list) return requireNumber(value, name, range);
  if (!Array.isArray(value) || value.length === 0) {
    throw invalidArgument(`${name} must be an array of numbers, one at least, not ${describe(value)}.`);
  }
  return value.map((one: unknown, index) => requireNumber(one, `${name}[${index}]`, range));
}

/**
 * Plain data of a schedule by its name, or checked as it is.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for an unknown name or option, or a number out of range
 */
export function scheduleOf(given: ScheduleKind | ScheduleSpec): ScheduleSpec {
  if (typeof given !== 'object' || given === null) return { kind: requireOneOf(given, 'schedule', SCHEDULE_KINDS) };
  const kind = requireOneOf(given.kind, 'schedule.kind', SCHEDULE_KINDS);
  checkOptions(given, ['kind', ...namesOf(kind, 'epochs')], `The schedule ${kind}`);
  if (given.warmupEpochs !== undefined) requireNumber(given.warmupEpochs, 'warmupEpochs', { min: 0 });
  if (given.floor !== undefined) requireNumber(given.floor, 'schedule.floor', { min: 0, max: 1 });
  ownValues(kind, given, { unit: 'epochs', where: 'schedule.' });
  return given;
}

/**
 * The schedule of plain data, its epochs turned into steps, the warm-up's to the nearest whole one.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for an unknown kind or option, or a number out of range
 */
export function buildSchedule(spec: ScheduleSpec, stepsPerEpoch: number): Schedule {
  const { kind, warmupEpochs = 0, floor, ...rest } = scheduleOf(spec);
  const own = ownValues(kind, rest, { unit: 'epochs', where: 'schedule.', stepsPerEpoch });
  const warmup = Math.round(warmupEpochs * stepsPerEpoch);
  return schedule(kind, {
    ...own,
    ...(floor === undefined ? {} : { floor }),
    ...(spec.warmupEpochs === undefined ? {} : { warmup }),
  });
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
