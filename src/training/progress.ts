import { type Changes, UNCHANGED } from './epoch-control.js';
import type { BestEpoch } from './events.js';

/** Where a run is: what it has made so far, and the sums of the epoch that it is in. Plain data. */
export interface Progress {
  /** Epochs that are behind the run, evaluation included. */
  readonly epoch: number;
  /** Batches of the next epoch that are trained on; all of them when only its evaluation is missing. */
  readonly batch: number;
  /** Steps since the run began. */
  readonly step: number;
  /** Of the batches trained on in this epoch. */
  readonly sums: {
    readonly images: number;
    readonly lossSum: number;
    readonly top1: number;
    readonly ms: number;
    /** Of these, waited for images. */
    readonly waitMs: number;
  };
  /** Of the epochs behind the run. */
  readonly trained: { readonly images: number; readonly ms: number };
  readonly best: BestEpoch | null;
  readonly last: BestEpoch | null;
  /** Paths of the files left out, each once. */
  readonly skipped: readonly string[];
  /** By callbacks between epochs. */
  readonly changes: Changes;
}

export const BEGINNING: Progress = {
  epoch: 0,
  batch: 0,
  step: 0,
  sums: { images: 0, lossSum: 0, top1: 0, ms: 0, waitMs: 0 },
  trained: { images: 0, ms: 0 },
  best: null,
  last: null,
  skipped: [],
  changes: UNCHANGED,
};

/** A batch that was trained on. `loss` is its mean, and `correct` a count. */
export interface TrainedBatch {
  readonly images: number;
  readonly loss: number;
  readonly correct: number;
}

/** What moves a run on. */
export type Advance =
  /** Batches that were trained on, each in a step, and the time that they took. */
  | {
      readonly type: 'trained';
      readonly batches: readonly TrainedBatch[];
      readonly ms: number;
      readonly waitMs: number;
    }
  /** Files that were left out. */
  | { readonly type: 'skipped'; readonly paths: readonly string[] }
  /** The epoch is evaluated, and what the callback said after it. */
  | { readonly type: 'evaluated'; readonly last: BestEpoch; readonly best: boolean; readonly changes: Changes };

/** Where a run is after what has happened. Nothing else makes one position of another. */
export function advance(progress: Progress, event: Advance): Progress {
  switch (event.type) {
    case 'trained':
      return {
        ...progress,
        batch: progress.batch + event.batches.length,
        step: progress.step + event.batches.length,
        sums: event.batches.reduce(addBatch, {
          ...progress.sums,
          ms: progress.sums.ms + event.ms,
          waitMs: progress.sums.waitMs + event.waitMs,
        }),
      };
    case 'skipped':
      return { ...progress, skipped: [...new Set([...progress.skipped, ...event.paths])] };
    case 'evaluated':
      return {
        ...progress,
        epoch: progress.epoch + 1,
        batch: 0,
        sums: BEGINNING.sums,
        trained: {
          images: progress.trained.images + progress.sums.images,
          ms: progress.trained.ms + progress.sums.ms,
        },
        last: event.last,
        best: event.best ? event.last : progress.best,
        changes: event.changes,
      };
  }
}

function addBatch(sums: Progress['sums'], { images, loss, correct }: TrainedBatch): Progress['sums'] {
  return {
    ...sums,
    images: sums.images + images,
    lossSum: sums.lossSum + loss * images,
    top1: sums.top1 + correct,
  };
}
