import type { NumberRange } from '../../options.js';

/** An option that a schedule has of its own: a number, or with `list` an array of them. */
export interface OwnOption<T = number | readonly number[] | undefined> {
  readonly range: NumberRange;
  /** Without one it must be given. */
  readonly default?: T;
  /** Its value without one is the schedule's to find. */
  readonly optional?: true;
  /** Of one that counts optimizer steps: its name in plain data, where it counts epochs. */
  readonly inEpochs?: string;
  readonly list?: true;
}

/** Where a step lies behind the warm-up. */
export interface SchedulePlace {
  /** Steps since the warm-up, from 0. */
  readonly step: number;
  /** Steps that the warm-up leaves, 1 at least. */
  readonly total: number;
  /** `step / total`, 1 at most. */
  readonly progress: number;
}

/** What a schedule does after its warm-up. `Found` are the options whose value without one is its own to find. */
export interface ScheduleRule<
  Own extends object = object,
  Falls extends boolean = boolean,
  Found extends keyof Own = never,
> {
  /** Whether it falls to a floor that may be given. */
  readonly falls: Falls;
  /** Whether it rises by itself, and takes no warm-up. */
  readonly rises?: true;
  /** Options beside the warm-up and the floor. */
  readonly own: { readonly [Name in keyof Own]-?: OwnOption<Own[Name]> };
  /** The factor on every rate: 1 at its highest. `own` has the defaults of what was not given. */
  factor(place: SchedulePlace, floor: number, own: Required<Omit<Own, Found>> & Pick<Own, Found>): number;
}
