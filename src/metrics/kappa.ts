import type { CountMetric } from './metric.js';

export interface Kappa {
  /**
   * Cohen's kappa (1960): how much more often labels and answers agree than they would by chance, −1 to 1;
   * scikit-learn's `cohen_kappa_score`. Null of images of a single class.
   */
  readonly kappa?: number | null;
}

export const kappa = {
  name: 'kappa',
  key: 'kappa',
  title: "Cohen's kappa",
  better: 'higher',
  range: [-1, 1],
  shownAs: 'number',
  needs: ['images', 'classes'],
  saysNothing: ({ imagesOfOutputs }) =>
    imagesOfOutputs === undefined || imagesOfOutputs.filter((images) => images > 0).length > 1
      ? undefined
      : 'it compares with chance, which images of a single class leave nothing to',
  of: ({ images, classes }) => {
    const agreed = classes.reduce((sum, { correct }) => sum + correct, 0);
    const byChance = classes.reduce((sum, one) => sum + (one.images * one.predicted) / images, 0);
    return 1 - (images - agreed) / (images - byChance);
  },
} as const satisfies CountMetric<'kappa', 'images' | 'classes'>;
