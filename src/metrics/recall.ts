import { averaged } from './averages.js';
import type { ClassCount } from './counts.js';
import { ratio } from './metric.js';

export interface RecallMetrics {
  /**
   * Mean over classes of their recall, 0 to 1: scikit-learn's `recall_score(average='macro')`. Unlike the balanced accuracy it
   * counts a class that an image was taken for, and that has none, as 0.
   */
  readonly recallMacro?: number | null;
  /** Recall over all images, 0 to 1: with one class an image, the share of right answers. */
  readonly recallMicro?: number | null;
  /** Mean of the classes' recall by their images, 0 to 1: `recall_score(average='weighted')`. */
  readonly recallWeighted?: number | null;
}

/** Of the images of a class, the share that were taken for it; 0 where there are none. */
export function recallOf({ correct, images }: ClassCount): number {
  return ratio(correct, images);
}

export const recall = averaged('recall', 'recall', recallOf);
