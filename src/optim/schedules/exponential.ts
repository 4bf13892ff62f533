import type { ScheduleRule } from './rule.js';

/** Of the schedule `exponential`. */
export interface ExponentialOptions {
  /** Optimizer steps between two falls, above 0. Default 1; in plain data an epoch. */
  readonly every?: number;
  /** What the rate is multiplied by at each, above 0 and at most 1. Default 0.95. */
  readonly gamma?: number;
}

/** Falls by a factor again and again, as `torch.optim.lr_scheduler.ExponentialLR`. */
export const exponential: ScheduleRule<ExponentialOptions, false> = {
  falls: false,
  own: {
    every: { range: { exclusiveMin: 0 }, default: 1, inEpochs: 'everyEpochs' },
    gamma: { range: { exclusiveMin: 0, max: 1 }, default: 0.95 },
  },
  factor: ({ step }, _floor, { every, gamma }) => gamma ** Math.floor(step / every + 1e-9),
};
