import type { ScoreMetric } from './metric.js';
import { lacksAClass, rankedKeys, tiesOf } from './ranking.js';
import type { Scores } from './scores.js';

export interface RocAuc {
  /**
   * Mean over classes of the area under the ROC curve of each class against the rest, 0 to 1: scikit-learn's
   * `roc_auc_score(multi_class='ovr')`. Null where a class that the model knows has no image.
   */
  readonly rocAuc?: number | null;
  /** The same as a mean by the classes' images: `roc_auc_score(multi_class='ovr', average='weighted')`. */
  readonly rocAucWeighted?: number | null;
}

const shared = {
  better: 'higher',
  range: [0, 1],
  shownAs: 'number',
  needs: 'scores',
  saysNothing: lacksAClass,
} as const;

export const rocAuc = {
  ...shared,
  name: 'roc-auc',
  key: 'rocAuc',
  title: 'ROC AUC',
  of: (scores) => meanArea(scores, () => 1),
} as const satisfies ScoreMetric<'rocAuc'>;

export const rocAucWeighted = {
  ...shared,
  name: 'roc-auc-weighted',
  key: 'rocAucWeighted',
  title: 'ROC AUC (weighted)',
  of: (scores) => meanArea(scores, (images) => images),
} as const satisfies ScoreMetric<'rocAucWeighted'>;

function* meanArea(scores: Scores, weightOf: (images: number) => number): Generator<void, number> {
  let sum = 0;
  let weights = 0;
  for (let output = 0; output < scores.outputs; output++) {
    const { area, positives } = areaOf(scores, output);
    sum += area * weightOf(positives);
    weights += weightOf(positives);
    yield;
  }
  return sum / weights;
}

/** The share of pairs of an image of the class and another that are in order, ties as halves: Mann and Whitney's U. */
function areaOf(scores: Scores, output: number): { readonly area: number; readonly positives: number } {
  let below = 0;
  let positives = 0;
  let inOrder = 0;
  for (const tie of tiesOf(rankedKeys(scores, output))) {
    inOrder += tie.positives * (below + tie.negatives / 2);
    positives += tie.positives;
    below += tie.negatives;
  }
  return { area: inOrder / (positives * below), positives };
}
