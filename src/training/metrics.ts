import type { BestEpoch, Metrics } from './events.js';

/** Sums over batches, from which means over images are made. */
export interface Sums {
  readonly images: number;
  readonly lossSum: number;
  readonly top1: number;
  readonly top5: number;
}

export const NOTHING: Sums = { images: 0, lossSum: 0, top1: 0, top5: 0 };

export function addSums(a: Sums, b: Sums): Sums {
  return {
    images: a.images + b.images,
    lossSum: a.lossSum + b.lossSum,
    top1: a.top1 + b.top1,
    top5: a.top5 + b.top5,
  };
}

/** Means over images; top-5 only where there are more than five classes, since it is 1 otherwise. */
export function metricsOf(sums: Sums, classes: number): Metrics {
  const mean = (sum: number) => (sums.images === 0 ? 0 : sum / sums.images);
  return {
    loss: mean(sums.lossSum),
    top1: mean(sums.top1),
    ...(classes > 5 ? { top5: mean(sums.top5) } : {}),
    images: sums.images,
  };
}

/** Whether `a` is a better epoch than `b`: a higher top-1, or an equal one with a lower loss. */
export function isBetter(a: Pick<Metrics, 'top1' | 'loss'>, b: Pick<Metrics, 'top1' | 'loss'> | null): boolean {
  if (b === null) return true;
  return a.top1 > b.top1 || (a.top1 === b.top1 && a.loss < b.loss);
}

export function asEpoch(epoch: number, { top1, top5, loss }: Metrics): BestEpoch {
  return { epoch, top1, ...(top5 === undefined ? {} : { top5 }), loss };
}

/** `count` per second of `milliseconds`; 0 where no time has passed. */
export function perSecond(count: number, milliseconds: number): number {
  return milliseconds > 0 ? (count * 1000) / milliseconds : 0;
}
