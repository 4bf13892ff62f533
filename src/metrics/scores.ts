/** What a model gave every class, of the images of one native call. */
export interface ScoredPart {
  /** The output of each image's class. */
  readonly labels: Int32Array;
  /** Row-major `[images, outputs]`; rows add up to 1. */
  readonly probabilities: Float32Array;
}

/** What a model gave every class of every image. */
export interface Scores {
  readonly outputs: number;
  readonly parts: readonly ScoredPart[];
}

/** The most bytes of probabilities that are kept at once. */
export const MOST_SCORE_BYTES = 2 ** 32;
