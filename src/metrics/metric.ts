import type { Counts } from './counts.js';
import type { Scores } from './scores.js';

/** What is known of some images before any figure is made of them. */
export interface Population {
  /** Outputs of the model: the classes that it chooses from. */
  readonly outputs: number;
  /** Images of each output's class; not known before the images are. */
  readonly imagesOfOutputs?: readonly number[];
}

/** What every metric says of itself. */
interface Row<Key extends string> {
  /** What options call it. */
  readonly name: string;
  /** Its name in results. */
  readonly key: Key;
  /** What people read. */
  readonly title: string;
  /** Which of two values is the better one. */
  readonly better: 'higher' | 'lower';
  /** Least and greatest value. */
  readonly range: readonly [least: number, greatest: number];
  /** How people read it: a share as a percentage. */
  readonly shownAs: 'share' | 'number';
  /**
   * Why it says nothing of such images, such as a top-5 of four classes; `undefined` where it does.
   *
   * @param nameOf what an output is called
   */
  saysNothing?(of: Population, nameOf: (output: number) => string): string | undefined;
}

/** A metric that is made from what was counted: a pure function. */
export interface CountMetric<Key extends string = string, Needs extends keyof Counts = keyof Counts> extends Row<Key> {
  /** The counts that it is made from; where one of them is not known, it is not told. */
  readonly needs: readonly Needs[];
  of(counts: Pick<Counts, Needs>): number;
}

/** A metric that is made from what the model gave every class of every image. */
export interface ScoreMetric<Key extends string = string> extends Row<Key> {
  readonly needs: 'scores';
  /** Returns the figure. Yields after some milliseconds' work, so that others may have their turn. */
  of(scores: Scores): Generator<void, number>;
}

/** A figure of how well a model tells classes apart. */
export type Metric<Key extends string = string> = CountMetric<Key> | ScoreMetric<Key>;

/** A mean over images; 0 of none. */
export function meanOver(images: number, sum: number): number {
  return ratio(sum, images);
}

/** A quotient; 0 where nothing is divided, as scikit-learn has it. */
export function ratio(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}
