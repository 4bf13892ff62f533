import { averaged } from './averages.js';
import type { ClassCount } from './counts.js';
import { ratio } from './metric.js';

export interface F1Metrics {
  /** Mean over classes of their F1, 0 to 1: scikit-learn's `f1_score(average='macro')`. */
  readonly f1Macro?: number | null;
  /** F1 over all images, 0 to 1: with one class an image, the share of right answers. */
  readonly f1Micro?: number | null;
  /** Mean of the classes' F1 by their images, 0 to 1: `f1_score(average='weighted')`. */
  readonly f1Weighted?: number | null;
}

/** The harmonic mean of a class's precision and recall; 0 where both are. */
export function f1Of({ images, correct, predicted }: ClassCount): number {
  return ratio(2 * correct, images + predicted);
}

export const f1 = averaged('f1', 'F1', f1Of);
