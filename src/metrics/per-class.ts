import type { ClassCount } from './counts.js';
import { f1Of } from './f1.js';
import { precisionOf } from './precision.js';
import { recallOf } from './recall.js';

/** How one class fared, as scikit-learn's `classification_report` tells it. */
export interface ClassResult {
  readonly name: string;
  /** Images of the class: its support. */
  readonly images: number;
  /** Of the images that were taken for the class, the share that are of it; 0 where there are none. */
  readonly precision: number;
  /** Share of the class's images that were told rightly; 0 where there are none. */
  readonly recall: number;
  /** Harmonic mean of the two; 0 where both are. */
  readonly f1: number;
}

/** A row a class, in their order. */
export function perClass(names: readonly string[], counts: readonly ClassCount[]): readonly ClassResult[] {
  return names.map((name, label) => {
    const count = counts[label] ?? { images: 0, correct: 0, predicted: 0 };
    return { name, images: count.images, precision: precisionOf(count), recall: recallOf(count), f1: f1Of(count) };
  });
}
