import { averaged } from './averages.js';
import type { ClassCount } from './counts.js';
import { ratio } from './metric.js';

export interface PrecisionMetrics {
  /** Mean over classes of their precision, 0 to 1: scikit-learn's `precision_score(average='macro')`. */
  readonly precisionMacro?: number | null;
  /** Precision over all images, 0 to 1: with one class an image, the share of right answers. */
  readonly precisionMicro?: number | null;
  /** Mean of the classes' precision by their images, 0 to 1: `precision_score(average='weighted')`. */
  readonly precisionWeighted?: number | null;
}

/** Of the images that were taken for a class, the share that are of it; 0 where there are none. */
export function precisionOf({ correct, predicted }: ClassCount): number {
  return ratio(correct, predicted);
}

export const precision = averaged('precision', 'precision', precisionOf);
