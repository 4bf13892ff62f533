import { type CountMetric, meanOver } from './metric.js';

export interface Loss {
  /** Mean cross-entropy over images, natural logarithm, as `torch.nn.functional.cross_entropy`. */
  readonly loss: number;
}

export const loss = {
  name: 'loss',
  key: 'loss',
  title: 'loss',
  better: 'lower',
  range: [0, Number.POSITIVE_INFINITY],
  shownAs: 'number',
  needs: ['images', 'lossSum'],
  of: ({ images, lossSum }) => meanOver(images, lossSum),
} as const satisfies CountMetric<'loss', 'images' | 'lossSum'>;
