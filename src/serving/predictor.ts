import type { Prediction } from '../inference/prediction.js';
import { Predictor, type PredictorQueue } from '../inference/predictor.js';
import type { PredictOptions, PredictorInput, PredictorOptions } from '../inference/predictor-options.js';
import type { ArchitectureName } from '../model/architecture.js';

/** How the models of a server are loaded, and how images are gathered into batches. */
export type ServedPredictorOptions = Omit<
  PredictorOptions,
  'classes' | 'maxQueue' | 'maxPixels' | 'maxBytes' | 'signal'
>;

/** What a server needs of a `Predictor`. */
export interface ServedPredictor {
  readonly arch: ArchitectureName;
  readonly classes: readonly string[];
  readonly input: PredictorInput;
  readonly queue: PredictorQueue;
  predict(image: ServedImage, options: ServedPredictOptions): Promise<ServedPrediction>;
  dispose(): void;
}

/** Encoded bytes, or pixels. Never a path: what a client sends must not name a file. */
export type ServedImage =
  | Uint8Array
  | { readonly data: Uint8Array; readonly width: number; readonly height: number; readonly channels: 3 };

export type ServedPredictOptions = Pick<PredictOptions, 'topK' | 'features' | 'timeoutMs' | 'signal'>;

export interface ServedPrediction extends Pick<Prediction, 'predictions'> {
  readonly features?: Float32Array;
}

/** Loads the model at a path with the options that all models of a server share. */
export type LoadPredictor = (path: string, signal: AbortSignal) => Promise<ServedPredictor>;

export function predictorLoader(options: Omit<PredictorOptions, 'signal'>): LoadPredictor {
  return (path, signal) => Predictor.load(path, { ...options, signal });
}
