import { type Metric, meanOver } from './metric.js';

export interface Top1 {
  /** Share of images whose likeliest class is the right one, 0 to 1. */
  readonly top1: number;
}

export const top1 = {
  name: 'top1',
  key: 'top1',
  title: 'top-1',
  better: 'higher',
  needs: ['images', 'top1'],
  of: ({ images, top1: correct }) => meanOver(images, correct),
} as const satisfies Metric<'top1', 'images' | 'top1'>;
