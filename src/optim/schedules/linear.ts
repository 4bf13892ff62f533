import type { ScheduleRule } from './rule.js';

/** As `torch.optim.lr_scheduler.LinearLR` from 1 to the floor. */
export const linear: ScheduleRule<object, true> = {
  falls: true,
  own: {},
  factor: ({ progress }, floor) => 1 - (1 - floor) * progress,
};
