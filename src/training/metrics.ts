import type { BestEpoch, EvaluationFigures } from './events.js';

/** Sums over the steps of an epoch. */
export interface TrainingSums {
  readonly lossSum: number;
  readonly correct: number;
  readonly images: number;
}

export const NO_SUMS: TrainingSums = { lossSum: 0, correct: 0, images: 0 };

export function addStep(sums: TrainingSums, loss: number, correct: number, images: number): TrainingSums {
  return {
    lossSum: sums.lossSum + loss * images,
    correct: sums.correct + correct,
    images: sums.images + images,
  };
}

export function trainingFigures(sums: TrainingSums): { loss: number; top1: number; images: number } {
  const { images } = sums;
  return { loss: images > 0 ? sums.lossSum / images : 0, top1: images > 0 ? sums.correct / images : 0, images };
}

/** Figures of an evaluation; top-5 only where there are more than five classes. */
export function evaluationFigures(
  sums: { readonly lossSum: number; readonly top1: number; readonly top5: number; readonly images: number },
  classes: number,
): EvaluationFigures {
  const { images } = sums;
  const share = (count: number) => (images > 0 ? count / images : 0);
  return {
    top1: share(sums.top1),
    ...(classes > 5 ? { top5: share(sums.top5) } : {}),
    loss: images > 0 ? sums.lossSum / images : 0,
    images,
  };
}

/** Higher top-1 is better; between equals, the lower loss. */
export function isBetter(figures: EvaluationFigures, best: BestEpoch | undefined): boolean {
  if (best === undefined) return true;
  return figures.top1 > best.top1 || (figures.top1 === best.top1 && figures.loss < best.loss);
}
