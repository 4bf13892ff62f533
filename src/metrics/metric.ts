import type { Counts } from './counts.js';

/** A figure of how well a model tells classes apart: a pure function of what was counted. */
export interface Metric<Key extends string = string, Needs extends keyof Counts = keyof Counts> {
  /** What options call it. */
  readonly name: string;
  /** Its name in results. */
  readonly key: Key;
  /** What people read. */
  readonly title: string;
  /** Which of two values is the better one. */
  readonly better: 'higher' | 'lower';
  /** The counts that it is made from; where one of them is not known, it is not told. */
  readonly needs: readonly Needs[];
  /** `undefined` where it says nothing, such as a top-5 of four classes. */
  of(counts: Pick<Counts, Needs>): number | undefined;
}

/** A mean over images; 0 of none. */
export function meanOver(images: number, sum: number): number {
  return images === 0 ? 0 : sum / images;
}
