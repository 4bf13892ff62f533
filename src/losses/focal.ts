import type { LossRule } from './rule.js';

/** Of the loss `focal`. */
export interface FocalOptions {
  /** How much less an image counts that is classified well, 0 or more: 0 is cross-entropy. Default 2. */
  readonly gamma?: number;
}

/**
 * The focal loss over a softmax (Lin and others, "Focal Loss for Dense Object Detection", 2017): the mean over images of
 * −α·(1 − p)^γ·log p of the label's probability p, where α is the weight of its class, 1 without weights.
 */
export const focal: LossRule<FocalOptions> = {
  own: { gamma: { range: { min: 0 }, default: 2 } },
};
