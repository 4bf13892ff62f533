import type { ScoreMetric } from './metric.js';
import type { Scores } from './scores.js';

export interface CalibrationError {
  /**
   * Expected calibration error, 0 to 1 (Guo et al. 2017, "On Calibration of Modern Neural Networks"): images are put in 15 bins of equal width by
   * the probability of their likeliest class, each bin open below and closed above; the mean over bins, by their images, of the distance
   * between the mean probability and the share of right answers.
   */
  readonly ece?: number | null;
}

const BINS = 15;

export const calibrationError = {
  name: 'ece',
  key: 'ece',
  title: 'calibration error',
  better: 'lower',
  range: [0, 1],
  shownAs: 'number',
  needs: 'scores',
  of: expectedError,
} as const satisfies ScoreMetric<'ece'>;

function* expectedError({ outputs, parts }: Scores): Generator<void, number> {
  let images = 0;
  // Of each bin the sum of its images' probabilities, less those that are right: the distance, times the images.
  const distances = new Float64Array(BINS);
  for (const { labels, probabilities } of parts) {
    for (let row = 0; row < labels.length; row++) {
      let likeliest = 0;
      let most = -1;
      for (let output = 0; output < outputs; output++) {
        const own = probabilities[row * outputs + output] ?? 0;
        if (own <= most) continue;
        most = own;
        likeliest = output;
      }
      const bin = Math.max(0, Math.ceil(most * BINS) - 1);
      distances[bin] = (distances[bin] ?? 0) + most - (labels[row] === likeliest ? 1 : 0);
    }
    images += labels.length;
    yield;
  }
  return images === 0 ? 0 : distances.reduce((sum, distance) => sum + Math.abs(distance), 0) / images;
}
