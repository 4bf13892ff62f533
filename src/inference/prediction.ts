import { ResnetTorchError } from '../errors.js';
import type { NativePrediction } from '../native/contract/predictor.js';
import type { PredictOptions, StreamOptions } from './predictor-options.js';

/** What an image shows. */
export interface Prediction {
  /** The path, or null of an image that was given as data. */
  readonly file: string | null;
  /** Likeliest first. */
  readonly predictions: readonly {
    readonly label: string;
    /** Of the output, from 0. */
    readonly index: number;
    /** Softmax over all classes, 0 to 1. */
    readonly probability: number;
  }[];
}

/** With `features: true`. */
export interface PredictionWithFeatures extends Prediction {
  /** After the global average pool: 512 of a resnet18 or resnet34, 2048 of the others. */
  readonly features: Float32Array;
}

/** An image of a stream that could not be labelled, where `stopOnError` is false. */
export interface FailedPrediction {
  /** The path, or null of an image that was given as data. */
  readonly file: string | null;
  /** Why; its message names the image. */
  readonly error: ResnetTorchError;
}

/** What `predict()` gives by its options. */
export type PredictionOf<O extends Pick<PredictOptions, 'features'>> = O extends { readonly features: true }
  ? PredictionWithFeatures
  : Prediction;

/** What `stream()` gives by its options: ask `'error' in entry` where failures may be among them. */
export type StreamedPrediction<O extends StreamOptions> = O extends { readonly stopOnError: true }
  ? PredictionOf<O>
  : O extends { readonly stopOnError: boolean }
    ? PredictionOf<O> | FailedPrediction
    : PredictionOf<O>;

export function predictionOf(file: string | null, seen: NativePrediction, names: readonly string[]): Prediction {
  const predictions = Array.from(seen.classes, (index, rank) => ({
    label: names[index] ?? String(index),
    index,
    probability: seen.probabilities[rank] ?? 0,
  }));
  const { features } = seen;
  return features === null ? { file, predictions } : ({ file, predictions, features } as PredictionWithFeatures);
}

/** What is wrong with one image alone; with anything else the next image would fail as well. */
const OF_ONE_IMAGE: ReadonlySet<string> = new Set([
  'ERR_DATASET',
  'ERR_DEADLINE',
  'ERR_FILE',
  'ERR_IMAGE_DECODE',
  'ERR_IMAGE_TOO_LARGE',
  'ERR_INVALID_ARGUMENT',
  'ERR_SHAPE_MISMATCH',
]);

export function isOfOneImage(error: unknown): error is ResnetTorchError {
  return error instanceof ResnetTorchError && OF_ONE_IMAGE.has(error.code);
}
