import { type CountMetric, meanOver } from './metric.js';

export interface Top1 {
  /** Share of images whose likeliest class is the right one, 0 to 1: scikit-learn's `accuracy_score`. */
  readonly top1: number;
}

export const top1 = {
  name: 'top1',
  key: 'top1',
  title: 'top-1',
  better: 'higher',
  range: [0, 1],
  shownAs: 'share',
  needs: ['images', 'top1'],
  of: ({ images, top1: correct }) => meanOver(images, correct),
} as const satisfies CountMetric<'top1', 'images' | 'top1'>;
