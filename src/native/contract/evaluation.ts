/** An evaluation of a model on labelled images. */

import type { ImageFailure, NativeLoader } from './data.js';
import type { Compute } from './device.js';

export interface NativeEvaluateOptions {
  readonly loader: NativeLoader;
  readonly compute: Compute;
  /** Stop after so many batches; the loader keeps its place. */
  readonly maxBatches: number;
  /** Answer what the model gives every class, of every image. Default false, which costs nothing. */
  readonly probabilities?: boolean;
}

/** Sums over the batches of one call; add them up over calls. */
export interface NativeEvaluation {
  readonly batches: number;
  readonly images: number;
  readonly lossSum: number;
  readonly top1: number;
  /** Images whose label is among the five likeliest; equals `images` where there are at most five classes. */
  readonly top5: number;
  /** Data set indices of the images seen, and the class predicted for each. */
  readonly indices: Int32Array;
  readonly predictions: Int32Array;
  /** Row-major `[images, classes]`, softmax of the logits in float64, rounded once; there where it was asked for. */
  readonly probabilities?: Float32Array;
  readonly failures: readonly ImageFailure[];
  /** `true` when the loader has no further batch. */
  readonly exhausted: boolean;
}
