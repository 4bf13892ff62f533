import type { ScheduleRule } from './rule.js';

/** Of the schedule `one-cycle`, by PyTorch's names. */
export interface OneCycleOptions {
  /** Share of the run in which the rate rises, above 0 and below 1. Default 0.3. */
  readonly pctStart?: number;
  /** The whole rate over the first one, 1 or more. Default 25. */
  readonly divFactor?: number;
  /** The first rate over the last one, 1 or more. Default 1e4. */
  readonly finalDivFactor?: number;
}

/**
 * Rises along half a cosine to the whole rate and falls along another, as `torch.optim.lr_scheduler.OneCycleLR` does with
 * `anneal_strategy="cos"` and `cycle_momentum=False` (Smith and Topin, 2019): momentum stays as it is.
 */
export const oneCycle: ScheduleRule<OneCycleOptions, false> = {
  falls: false,
  rises: true,
  own: {
    pctStart: { range: { exclusiveMin: 0, exclusiveMax: 1 }, default: 0.3 },
    divFactor: { range: { min: 1 }, default: 25 },
    finalDivFactor: { range: { min: 1 }, default: 1e4 },
  },
  factor: ({ step, total }, _floor, { pctStart, divFactor, finalDivFactor }) => {
    const anneal = (from: number, to: number, part: number) => to + ((from - to) / 2) * (1 + Math.cos(Math.PI * part));
    const first = 1 / divFactor;
    const peak = pctStart * total - 1;
    if (peak > 0 && step <= peak) return anneal(first, 1, step / peak);
    const rest = total - 1 - Math.max(0, peak);
    const part = rest <= 0 ? 0 : Math.min(1, (step - Math.max(0, peak)) / rest);
    return anneal(1, first / finalDivFactor, part);
  },
};
