import type { ScoreMetric } from './metric.js';
import { lacksAClass, rankedKeys, tiesOf } from './ranking.js';
import type { Scores } from './scores.js';

export interface AveragePrecision {
  /**
   * Mean over classes of the average precision of each class against the rest, 0 to 1: scikit-learn's
   * `average_precision_score(average='macro')`, the sum over thresholds of precision by gained recall, without
   * interpolation. Null where a class that the model knows has no image.
   */
  readonly averagePrecision?: number | null;
}

export const averagePrecision = {
  name: 'average-precision',
  key: 'averagePrecision',
  title: 'average precision',
  better: 'higher',
  range: [0, 1],
  shownAs: 'number',
  needs: 'scores',
  saysNothing: lacksAClass,
  of: meanPrecision,
} as const satisfies ScoreMetric<'averagePrecision'>;

function* meanPrecision(scores: Scores): Generator<void, number> {
  let sum = 0;
  for (let output = 0; output < scores.outputs; output++) {
    sum += precisionOfRanking(scores, output);
    yield;
  }
  return sum / scores.outputs;
}

function precisionOfRanking(scores: Scores, output: number): number {
  let seen = 0;
  let found = 0;
  let sum = 0;
  for (const { positives, negatives } of [...tiesOf(rankedKeys(scores, output))].reverse()) {
    found += positives;
    seen += positives + negatives;
    sum += positives * (found / seen);
  }
  return sum / found;
}
