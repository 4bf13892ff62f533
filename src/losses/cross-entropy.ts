import type { LossRule } from './rule.js';

/** Of the loss `cross-entropy`. */
export interface CrossEntropyOptions {
  /**
   * Share of a label that is spread evenly over all classes (Szegedy and others, 2016), 0 to 1; 0.1 is usual. Default 0.
   */
  readonly labelSmoothing?: number;
}

/**
 * `torch.nn.CrossEntropyLoss`: the mean of −log p of the label, weighted by the classes of the labels where classes have
 * weights, also with smoothing.
 */
export const crossEntropy: LossRule<CrossEntropyOptions> = {
  own: { labelSmoothing: { range: { min: 0, max: 1 }, default: 0 } },
};
