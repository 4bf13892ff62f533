import type { ScoreMetric } from './metric.js';
import type { Scores } from './scores.js';

export interface TopK {
  /**
   * Such as `top3`: share of images whose class is among the k likeliest, 0 to 1, as scikit-learn's `top_k_accuracy_score`. Of
   * classes that are equally likely the later ones are taken first, as there.
   */
  readonly [top: `top${number}`]: number | null | undefined;
}

/** The k of a name such as `top3`; `undefined` for another name. */
export function kOf(name: string): number | undefined {
  const digits = /^top([1-9]\d{0,6})$/.exec(name)?.[1];
  return digits === undefined ? undefined : Number(digits);
}

/** The row of a k that has none of its own. */
export function topK(k: number): ScoreMetric<`top${number}`> {
  return {
    name: `top${k}`,
    key: `top${k}`,
    title: `top-${k}`,
    better: 'higher',
    range: [0, 1],
    shownAs: 'share',
    needs: 'scores',
    saysNothing: ({ outputs }) =>
      outputs > k ? undefined : `it says nothing of ${outputs} classes, which are all among the ${k} likeliest`,
    of: (scores) => shareAmong(scores, k),
  };
}

function* shareAmong({ outputs, parts }: Scores, k: number): Generator<void, number> {
  let images = 0;
  let hits = 0;
  for (const { labels, probabilities } of parts) {
    for (let row = 0; row < labels.length; row++) {
      const label = labels[row] ?? 0;
      const begin = row * outputs;
      const own = probabilities[begin + label] ?? 0;
      let before = 0;
      for (let output = 0; output < outputs && before < k; output++) {
        const other = probabilities[begin + output] ?? 0;
        if (other > own || (other === own && output > label)) before++;
      }
      images++;
      if (before < k) hits++;
    }
    yield;
  }
  return images === 0 ? 0 : hits / images;
}
