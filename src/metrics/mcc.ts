import type { CountMetric } from './metric.js';

export interface MatthewsCorrelation {
  /**
   * Matthews' correlation coefficient, for several classes after Gorodkin (2004), −1 to 1: scikit-learn's
   * `matthews_corrcoef`. 0 where all images are of one class, or were taken for one.
   */
  readonly mcc?: number | null;
}

export const mcc = {
  name: 'mcc',
  key: 'mcc',
  title: "Matthews' correlation",
  better: 'higher',
  range: [-1, 1],
  shownAs: 'number',
  needs: ['images', 'classes', 'strays'],
  of: ({ images, classes, strays }) => {
    const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
    const agreed = sum(classes.map(({ correct }) => correct));
    const both = agreed * images - sum(classes.map((one) => one.images * one.predicted));
    const labels = images ** 2 - sum(classes.map((one) => one.images ** 2));
    const answers =
      images ** 2 -
      sum(classes.map(({ predicted }) => predicted ** 2)) -
      sum(strays.map((predicted) => predicted ** 2));
    return labels === 0 || answers === 0 ? 0 : both / Math.sqrt(labels * answers);
  },
} as const satisfies CountMetric<'mcc', 'images' | 'classes' | 'strays'>;
