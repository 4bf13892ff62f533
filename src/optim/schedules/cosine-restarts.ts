import type { ScheduleRule } from './rule.js';

/** Of the schedule `cosine-restarts`. */
export interface CosineRestartsOptions {
  /** How often the rate falls from the whole of it to the floor, 1 or more. Default 2. */
  readonly cycles?: number;
  /** How many times as long as the one before each cycle is, 1 or more. Default 1. */
  readonly cycleMult?: number;
}

/** In doubles a step that begins a cycle may lie a hair before it. */
const HAIR = 1e-9;

/**
 * Half a cosine again and again, as `torch.optim.lr_scheduler.CosineAnnealingWarmRestarts` stepped every step, whose `T_mult` is
 * `cycleMult` and whose `T_0` is such that the last cycle ends with the run (Loshchilov and Hutter, 2017).
 */
export const cosineRestarts: ScheduleRule<CosineRestartsOptions, true> = {
  falls: true,
  own: {
    cycles: { range: { min: 1, max: 1000, integer: true }, default: 2 },
    cycleMult: { range: { min: 1, max: 100 }, default: 1 },
  },
  factor: ({ step, total }, floor, { cycles, cycleMult }) => {
    if (step >= total) return floor;
    let lengths = 0;
    for (let cycle = 0; cycle < cycles; cycle++) lengths += cycleMult ** cycle;
    let length = total / lengths;
    let within = step + HAIR;
    for (let cycle = 1; cycle < cycles && within >= length; cycle++) {
      within -= length;
      length *= cycleMult;
    }
    const progress = Math.max(0, within - HAIR) / length;
    return floor + ((1 - floor) * (1 + Math.cos(Math.PI * progress))) / 2;
  },
};
