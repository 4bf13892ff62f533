import type { ScoreMetric } from './metric.js';
import type { Scores } from './scores.js';

export interface Brier {
  /**
   * Brier's score (1950): the mean over images of Σ (pₖ − yₖ)² over classes, yₖ being 1 for the image's own and else 0; 0 to
   * 2. With two classes it is half of that, 0 to 1, as scikit-learn's `brier_score_loss` has it since 1.7.
   */
  readonly brier?: number | null;
}

export const brier = {
  name: 'brier',
  key: 'brier',
  title: 'Brier score',
  better: 'lower',
  range: [0, 2],
  shownAs: 'number',
  needs: 'scores',
  of: meanSquares,
} as const satisfies ScoreMetric<'brier'>;

function* meanSquares({ outputs, parts }: Scores): Generator<void, number> {
  let images = 0;
  let sum = 0;
  for (const { labels, probabilities } of parts) {
    for (let row = 0; row < labels.length; row++) {
      for (let output = 0; output < outputs; output++) {
        const aim = labels[row] === output ? 1 : 0;
        sum += ((probabilities[row * outputs + output] ?? 0) - aim) ** 2;
      }
    }
    images += labels.length;
    yield;
  }
  return images === 0 ? 0 : sum / images / (outputs < 3 ? 2 : 1);
}
