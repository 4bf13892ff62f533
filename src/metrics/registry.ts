import { type BalancedAccuracy, balancedAccuracy } from './balanced-accuracy.js';
import type { Counts } from './counts.js';
import { type Loss, loss } from './loss.js';
import type { Metric } from './metric.js';
import { type Top1, top1 } from './top1.js';
import { type Top5, top5 } from './top5.js';

/** Every metric, a row each. What is told of an evaluation has them in this order. */
export const METRICS = [loss, top1, top5, balancedAccuracy] as const;

/** Figures over the images of a split. */
export interface Metrics extends Loss, Top1, Top5, BalancedAccuracy {
  readonly images: number;
}

/** What is known of batches in training: nothing by class, and no top-5. */
type TrainingCounts = Pick<Counts, 'images' | 'lossSum' | 'top1'>;

/** The metrics that can be made from some counts. */
export function measure(counts: Counts): Metrics;
export function measure(counts: TrainingCounts): Loss & Top1 & { readonly images: number };
export function measure(counts: TrainingCounts & Partial<Counts>): Partial<Metrics> {
  const figures: Record<string, number> = {};
  for (const metric of METRICS as readonly Metric[]) {
    if (metric.needs.some((name) => counts[name] === undefined)) continue;
    const value = metric.of(counts as Counts);
    if (value !== undefined) figures[metric.key] = value;
  }
  return { ...figures, images: counts.images };
}
