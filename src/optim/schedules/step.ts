import type { ScheduleRule } from './rule.js';

/** Of the schedule `step`. */
export interface StepScheduleOptions {
  /** Optimizer steps between two falls, above 0. Default: a third of the run. */
  readonly every?: number;
  /** What the rate is multiplied by at each, above 0 and at most 1. Default 0.1. */
  readonly gamma?: number;
}

/** Falls by a factor every so often, as `torch.optim.lr_scheduler.StepLR`; a third of the run is what torchvision's recipe takes. */
export const step: ScheduleRule<StepScheduleOptions, false, 'every'> = {
  falls: false,
  own: {
    every: { range: { exclusiveMin: 0 }, optional: true, inEpochs: 'everyEpochs' },
    gamma: { range: { exclusiveMin: 0, max: 1 }, default: 0.1 },
  },
  factor: (place, _floor, { every = place.total / 3, gamma }) => gamma ** Math.floor(place.step / every + 1e-9),
};
