import { type Metric, meanOver } from './metric.js';

export interface Top5 {
  /** Share of images whose class is among the five likeliest, 0 to 1; only where there are more than five classes. */
  readonly top5?: number;
}

const SHOWN = 5;

export const top5 = {
  name: 'top5',
  key: 'top5',
  title: 'top-5',
  better: 'higher',
  needs: ['images', 'top5', 'outputs'],
  of: ({ images, top5: among, outputs }) => (outputs > SHOWN ? meanOver(images, among) : undefined),
} as const satisfies Metric<'top5', 'images' | 'top5' | 'outputs'>;
