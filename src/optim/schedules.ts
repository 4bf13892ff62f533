import { checkOptions, describe, invalidArgument, requireNumber, requireOneOf } from '../options.js';
import type { ParameterGroup } from './groups.js';

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

/** A schedule as plain data, with its warm-up in epochs. */
export interface ScheduleSpec {
  readonly kind: ScheduleKind;
  /** Epochs of warm-up; a part of one is possible. Default 0. */
  readonly warmupEpochs?: number;
  /** As in `ScheduleOptions`; `constant` has none. */
  readonly floor?: number;
}

/** The way from 1 to the floor after the warm-up; `progress` runs from 0 at the first step towards 1, after the last. */
type Decay = (progress: number, floor: number) => number;

/** Half a cosine, as `torch.optim.lr_scheduler.CosineAnnealingLR` stepped every step (Loshchilov and Hutter, 2017). */
const cosine: Decay = (progress, floor) => floor + ((1 - floor) * (1 + Math.cos(Math.PI * progress))) / 2;

/** As `torch.optim.lr_scheduler.LinearLR` from 1 to the floor. */
const linear: Decay = (progress, floor) => 1 - (1 - floor) * progress;

/** One that never falls, and so has no floor, is `null`. A further schedule is a function above and an entry here. */
const DECAYS = { constant: null, cosine, linear } as const satisfies Record<string, Decay | null>;

/** The name of a schedule. */
export type ScheduleKind = keyof typeof DECAYS;

/** Names by which options and the command line know the schedules. */
export const SCHEDULE_KINDS = Object.keys(DECAYS) as readonly ScheduleKind[];

function schedule(kind: ScheduleKind, options: ScheduleOptions): Schedule {
  const decay: Decay | null = DECAYS[kind];
  checkOptions(options, decay === null ? ['warmup'] : ['warmup', 'floor'], `schedules.${kind}()`);
  const warmup = requireNumber(options.warmup ?? 0, 'warmup', { min: 0, integer: true });
  const floor = requireNumber(options.floor ?? 0, 'floor', { min: 0, max: 1 });
  return (step, total) => {
    if (step < warmup) return (step + 1) / warmup;
    if (decay === null) return 1;
    return decay(Math.min(1, (step - warmup) / Math.max(1, total - warmup)), floor);
  };
}

/** Schedules by name; each gives a pure function of the step. Another function of the same form serves as well. */
export const schedules: {
  readonly [Kind in ScheduleKind]: (
    options?: (typeof DECAYS)[Kind] extends null ? WarmupOptions : ScheduleOptions,
  ) => Schedule;
} = {
  /** The whole rate, after the warm-up. */
  constant: (options = {}) => schedule('constant', options),
  /** From the whole rate along half a cosine to the floor. */
  cosine: (options = {}) => schedule('cosine', options),
  /** From the whole rate along a line to the floor. */
  linear: (options = {}) => schedule('linear', options),
};

/**
 * Plain data of a schedule by its name, or checked as it is.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for an unknown name or option, or a number out of range
 */
export function scheduleOf(given: ScheduleKind | ScheduleSpec): ScheduleSpec {
  if (typeof given !== 'object' || given === null) return { kind: requireOneOf(given, 'schedule', SCHEDULE_KINDS) };
  const kind = requireOneOf(given.kind, 'schedule.kind', SCHEDULE_KINDS);
  const known = ['kind', 'warmupEpochs', ...(DECAYS[kind] === null ? [] : ['floor'])];
  checkOptions(given, known, `The schedule ${kind}`);
  if (given.warmupEpochs !== undefined) requireNumber(given.warmupEpochs, 'warmupEpochs', { min: 0 });
  if (given.floor !== undefined) requireNumber(given.floor, 'schedule.floor', { min: 0, max: 1 });
  return given;
}

/**
 * The schedule of plain data, its warm-up turned into whole steps, to the nearest.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for an unknown kind or option, or a number out of range
 */
export function buildSchedule(spec: ScheduleSpec, stepsPerEpoch: number): Schedule {
  const { kind, warmupEpochs = 0, floor } = scheduleOf(spec);
  const warmup = Math.round(warmupEpochs * stepsPerEpoch);
  return schedule(kind, floor === undefined ? { warmup } : { warmup, floor });
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
