import type { NumberRange } from '../../options.js';

/** An option that a schedule has of its own. */
export interface OwnOption {
  readonly range: NumberRange;
  readonly default: number;
}

/** What a schedule does after its warm-up. */
export interface ScheduleRule<Own extends object = object, Falls extends boolean = boolean> {
  /** One that never falls has no floor. */
  readonly falls: Falls;
  /** Options beside the warm-up and the floor. */
  readonly own: { readonly [Name in keyof Own]-?: OwnOption };
  /**
   * The factor on every rate, from 1 to the floor.
   *
   * @param progress from 0 at the first step towards 1, after the last
   */
  factor(progress: number, floor: number, own: Required<Own>): number;
}
