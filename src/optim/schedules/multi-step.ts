import type { ScheduleRule } from './rule.js';

/** Of the schedule `multi-step`. */
export interface MultiStepOptions {
  /** Optimizer steps at which the rate falls, one at least, each above 0. */
  readonly milestones: readonly number[];
  /** What the rate is multiplied by at each, above 0 and at most 1. Default 0.1. */
  readonly gamma?: number;
}

/** Falls by a factor at given times, as `torch.optim.lr_scheduler.MultiStepLR`. */
export const multiStep: ScheduleRule<MultiStepOptions, false> = {
  falls: false,
  own: {
    milestones: { range: { exclusiveMin: 0 }, list: true, inEpochs: 'milestoneEpochs' },
    gamma: { range: { exclusiveMin: 0, max: 1 }, default: 0.1 },
  },
  factor: ({ step }, _floor, { milestones, gamma }) =>
    gamma ** milestones.filter((milestone) => step + 1e-9 >= milestone).length,
};
