/** Policies of augmentation: which part of an image training sees. A further one is a row here. */

/** The name of a policy. */
export type AugmentationPolicy = 'none' | 'flip' | 'standard';

/** What a policy is. */
export interface PolicyRow {
  /** `center`: the short side resized, and the centre square. `random`: a random part, resized to the square. */
  readonly crop: 'center' | 'random';
  /** Probability of mirroring left to right. */
  readonly flip: number;
}

export const POLICIES: Readonly<Record<AugmentationPolicy, PolicyRow>> = {
  none: { crop: 'center', flip: 0 },
  flip: { crop: 'center', flip: 0.5 },
  standard: { crop: 'random', flip: 0.5 },
};

export const AUGMENTATIONS = Object.keys(POLICIES) as readonly AugmentationPolicy[];
