import type { ScoreMetric } from './metric.js';
import type { Scores } from './scores.js';

export interface LogLoss {
  /**
   * Mean of −ln p over images, p being what their own class was given, 0 or more: scikit-learn's `log_loss`. As there, p is held between
   * ε and 1 − ε, with float64's ε of 2.2e-16: unlike `loss`, it is at most 36 an image, and does not change with the objective of training.
   */
  readonly logLoss?: number | null;
}

export const logLoss = {
  name: 'log-loss',
  key: 'logLoss',
  title: 'log loss',
  better: 'lower',
  range: [0, -Math.log(Number.EPSILON)],
  shownAs: 'number',
  needs: 'scores',
  of: meanSurprise,
} as const satisfies ScoreMetric<'logLoss'>;

function* meanSurprise({ outputs, parts }: Scores): Generator<void, number> {
  let images = 0;
  let sum = 0;
  for (const { labels, probabilities } of parts) {
    for (let row = 0; row < labels.length; row++) {
      const own = probabilities[row * outputs + (labels[row] ?? 0)] ?? 0;
      sum -= Math.log(Math.min(Math.max(own, Number.EPSILON), 1 - Number.EPSILON));
    }
    images += labels.length;
    yield;
  }
  return images === 0 ? 0 : sum / images;
}
