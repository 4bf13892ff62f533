/** Predictions: single images that are computed in batches. */

import type { CropOptions, NativeImage } from './data.js';
import type { NativeCancelToken } from './device.js';
import type { Compute } from './model.js';

export interface NativePredictorOptions {
  readonly compute: Compute;
  readonly crop: CropOptions;
  /** Decoding threads, at least 1. */
  readonly workers: number;
  readonly maxBatch: number;
  /** Milliseconds that an image waits for others while the device is free. */
  readonly maxDelayMs: number;
  readonly maxPixels: number;
}

export interface NativePrediction {
  /** [topK], likeliest first, and their softmax probabilities. */
  readonly classes: Int32Array;
  readonly probabilities: Float32Array;
  /** [features] where they were asked for. */
  readonly features: Float32Array | null;
}

/** Classifies images as they come, those that wait at the same time in one batch, ahead of training. */
export interface NativePredictor {
  /**
   * `name`: what the image is called in messages. A cancelled call is answered when its turn comes. An image whose features
   * or logits are not finite rejects with `ERR_NON_FINITE`; the others of its batch are answered.
   */
  predict(
    image: NativeImage,
    o: { readonly name: string; readonly topK: number; readonly features: boolean },
    cancel?: NativeCancelToken,
  ): Promise<NativePrediction>;
  /** Images under way; batches and images computed so far. */
  stats(): { readonly waiting: number; readonly batches: number; readonly images: number };
  /** What waits is rejected with `ERR_DISPOSED`. Idempotent. */
  dispose(): void;
}
