import { Predictor } from '../inference/predictor.js';
import type { Device } from '../model/device.js';
import type { Precision } from '../model/precision.js';

/** What a server needs of a `Predictor`. */
export interface ServedPredictor {
  readonly classes: readonly string[];
  readonly input: {
    readonly imageSize: number;
    readonly resize: number;
    readonly precision: string;
    readonly device: string;
  };
  readonly queue: { readonly waiting: number; readonly batches: number; readonly images: number };
  predict(image: ServedImage, options: ServedPredictOptions): Promise<ServedPrediction>;
  dispose(): void;
}

/** Encoded bytes, or pixels. Never a path: what a client sends must not name a file. */
export type ServedImage =
  | Uint8Array
  | { readonly data: Uint8Array; readonly width: number; readonly height: number; readonly channels: 3 };

export interface ServedPredictOptions {
  readonly topK?: number;
  readonly features?: boolean;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export interface ServedPrediction {
  readonly predictions: readonly { readonly label: string; readonly index: number; readonly probability: number }[];
  readonly features?: Float32Array;
}

/** Loads the model at a path with the options that all models of a server share. */
export type LoadPredictor = (path: string, signal: AbortSignal) => Promise<ServedPredictor>;

/** How the models of a server are loaded, and how images are gathered into batches. */
export interface ServedPredictorOptions {
  /** Default `auto`. */
  readonly device?: Device;
  /** Default `auto`. */
  readonly precision?: Precision;
  /** Side of the square that the network sees, pixels. Default: each model's own. */
  readonly imageSize?: number;
  /** Short side before the centre crop, pixels. Default: each model's own. */
  readonly resize?: number;
  /** Threads that decode. Default: half of the cores. */
  readonly workers?: number;
  /** Images of a batch at most. */
  readonly maxBatch?: number;
  /** Milliseconds that the first image of a batch waits for others. */
  readonly maxDelayMs?: number;
}

export interface PredictorLimits {
  readonly maxPixels: number;
  readonly maxQueue: number;
}

export function predictorLoader(options: ServedPredictorOptions & PredictorLimits): LoadPredictor {
  return async (path, signal) => (await Predictor.load(path, { ...options, signal })) as unknown as ServedPredictor;
}
