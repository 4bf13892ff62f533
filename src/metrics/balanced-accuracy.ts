import type { CountMetric } from './metric.js';

export interface BalancedAccuracy {
  /**
   * Mean over classes of the share of their images that were told rightly, 0 to 1, so that a class counts the same whether
   * it has many images or few: macro-averaged recall, as scikit-learn's `balanced_accuracy_score`. Classes without an image
   * are left out; 0 of no images.
   */
  readonly balancedAccuracy: number;
}

export const balancedAccuracy = {
  name: 'balanced-accuracy',
  key: 'balancedAccuracy',
  title: 'balanced accuracy',
  better: 'higher',
  range: [0, 1],
  shownAs: 'share',
  needs: ['classes'],
  of: ({ classes }) => {
    let recalls = 0;
    let seen = 0;
    for (const { images, correct } of classes) {
      if (images === 0) continue;
      recalls += correct / images;
      seen++;
    }
    return seen === 0 ? 0 : recalls / seen;
  },
} as const satisfies CountMetric<'balancedAccuracy', 'classes'>;
