import type { ScheduleRule } from './rule.js';

/** Half a cosine, as `torch.optim.lr_scheduler.CosineAnnealingLR` stepped every step (Loshchilov and Hutter, 2017). */
export const cosine: ScheduleRule<object, true> = {
  falls: true,
  own: {},
  factor: ({ progress }, floor) => floor + ((1 - floor) * (1 + Math.cos(Math.PI * progress))) / 2,
};
