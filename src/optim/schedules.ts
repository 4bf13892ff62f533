import { checkOptions, requireNumber, requireOneOf } from '../options.js';
import type { ParameterGroup } from './groups.js';

/** A factor on every group's rate at an optimizer step, 0 ≤ step < total. */
export type Schedule = (step: number, total: number) => number;

export interface ScheduleOptions {
  /** Optimizer steps over which the factor rises linearly, from `1 / warmup` at the first; default 0. */
  readonly warmup?: number;
  /** What the factor falls to, as a share of the whole rate; default 0. Not for `constant`. */
  readonly floor?: number;
}

/** A schedule as plain data, with its warm-up in epochs. */
export interface ScheduleSpec {
  readonly kind: ScheduleKind;
  /** Epochs of warm-up; a part of one is possible. Default 0. */
  readonly warmupEpochs?: number;
  readonly floor?: number;
}

/** What follows the warm-up: `progress` runs from 0 at its first step towards 1 at the end of training. */
type Shape = (progress: number, floor: number) => number;

/** A further schedule is one function here. */
const SHAPES = {
  constant: () => 1,
  /** Half a cosine, as `torch.optim.lr_scheduler.CosineAnnealingLR` without restarts (Loshchilov and Hutter, 2017). */
  cosine: (progress, floor) => floor + ((1 - floor) * (1 + Math.cos(Math.PI * progress))) / 2,
  linear: (progress, floor) => 1 - (1 - floor) * progress,
} as const satisfies Record<string, Shape>;

export type ScheduleKind = keyof typeof SHAPES;

export const SCHEDULE_KINDS = Object.keys(SHAPES) as readonly ScheduleKind[];

function build(kind: ScheduleKind, options: ScheduleOptions): Schedule {
  checkOptions(options, kind === 'constant' ? ['warmup'] : ['warmup', 'floor'], `schedules.${kind}()`);
  const warmup = requireNumber(options.warmup ?? 0, 'warmup', { min: 0, integer: true });
  const floor = requireNumber(options.floor ?? 0, 'floor', { min: 0, max: 1 });
  const shape: Shape = SHAPES[kind];
  return (step, total) => {
    if (step < warmup) return (step + 1) / warmup;
    return shape((step - warmup) / Math.max(1, total - warmup), floor);
  };
}

/** Schedules by name; each gives a pure function of the step. */
export const schedules = {
  /** The whole rate, after the warm-up. */
  constant: (options: Pick<ScheduleOptions, 'warmup'> = {}): Schedule => build('constant', options),
  /** From the whole rate along half a cosine to the floor. */
  cosine: (options: ScheduleOptions = {}): Schedule => build('cosine', options),
  /** From the whole rate along a line to the floor. */
  linear: (options: ScheduleOptions = {}): Schedule => build('linear', options),
} as const satisfies Record<ScheduleKind, (options?: ScheduleOptions) => Schedule>;

/**
 * The schedule of plain data, its warm-up turned into steps.
 *
 * @throws ResnetTorchError `ERR_INVALID_ARGUMENT` for an unknown kind or a number out of range.
 */
export function buildSchedule(spec: ScheduleSpec, stepsPerEpoch: number): Schedule {
  checkOptions(spec, ['kind', 'warmupEpochs', 'floor'], 'schedule');
  const kind = requireOneOf(spec.kind, 'schedule', SCHEDULE_KINDS);
  const epochs = requireNumber(spec.warmupEpochs ?? 0, 'warmupEpochs', { min: 0 });
  const warmup = Math.round(epochs * stepsPerEpoch);
  return build(kind, spec.floor === undefined ? { warmup } : { warmup, floor: spec.floor });
}

/**
 * Rows of learning rates for the steps `first` to `first + count − 1` of `total`: row-major, a column a group.
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
    const factor = schedule(first + row, total);
    groups.forEach((group, column) => {
      rows[row * groups.length + column] = group.lr * factor;
    });
  }
  return rows;
}
