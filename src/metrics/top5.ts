import { type CountMetric, meanOver } from './metric.js';

export interface Top5 {
  /** Share of images whose class is among the five likeliest, 0 to 1; only where there are more than five classes. */
  readonly top5?: number | null;
}

const SHOWN = 5;

export const top5 = {
  name: 'top5',
  key: 'top5',
  title: 'top-5',
  better: 'higher',
  range: [0, 1],
  shownAs: 'share',
  needs: ['images', 'top5', 'outputs'],
  saysNothing: ({ outputs }) =>
    outputs > SHOWN ? undefined : `it says nothing of ${outputs} classes, which are all among the five likeliest`,
  of: ({ images, top5: among }) => meanOver(images, among),
} as const satisfies CountMetric<'top5', 'images' | 'top5' | 'outputs'>;
