import type { ScheduleRule } from './rule.js';

/** Of the schedule `polynomial`. */
export interface PolynomialOptions {
  /** The exponent, above 0: 1 is a line, 2 falls fast at first, 0.5 late. Default 1. */
  readonly power?: number;
}

/**
 * A power of what is left of the way: `(1 − progress)^power`, as `torch.optim.lr_scheduler.PolynomialLR` stepped every step, and as
 * timm's `poly` with its floor.
 */
export const polynomial: ScheduleRule<PolynomialOptions, true> = {
  falls: true,
  own: { power: { range: { exclusiveMin: 0 }, default: 1 } },
  factor: ({ progress }, floor, { power }) => floor + (1 - floor) * (1 - progress) ** power,
};
