import { MOST_PIXELS } from '../data/image-input.js';
import { MOST_WORKERS } from '../data/limits.js';
import { defaultWorkers } from '../data/loader.js';
import { centerCrop, defaultResize } from '../data/transforms/spec.js';
import { isAbortSignal } from '../kinds.js';
import type { Device } from '../model/device.js';
import type { ResNet } from '../model/network.js';
import { PRECISIONS, type Precision, type PrecisionName, precisionName, resolveCompute } from '../model/precision.js';
import type { NativePredictor } from '../native/contract/predictor.js';
import { native } from '../native/load.js';
import { describe, invalidArgument, requireBoolean, requireNumber, requireOneOf } from '../options.js';

/** How a predictor sees images, computes, and gathers what calls bring. */
export interface PredictorOptions {
  /** Side of the square that the network sees, pixels. Default: what the model was trained with, else its weights' own, else 224. */
  readonly imageSize?: number;
  /** Short side before the centre crop, pixels. Default: the model's own, in proportion where `imageSize` differs. */
  readonly resize?: number;
  /** Threads that read and decode. Default: half of the cores. */
  readonly workers?: number;
  /** Default `auto`. */
  readonly precision?: Precision;
  /** Names of a weights file's outputs, in their order; default: the indices. A checkpoint has names of its own. */
  readonly classes?: readonly string[];
  /** Default `auto`. */
  readonly device?: Device;
  /** Images of one batch; those of several calls go together. Default 32. */
  readonly maxBatch?: number;
  /**
   * Milliseconds that an image waits for others while the device is free. Default 0: it goes at once, and what comes
   * meanwhile goes together in the next batch.
   */
  readonly maxDelayMs?: number;
  /** Images of all calls that may be under way; a call that would go beyond is refused with `ERR_OVERLOADED`. Default 256. */
  readonly maxQueue?: number;
  /** Pixels of the largest image that is decoded; its header is looked at before. Default and most: 16383². */
  readonly maxPixels?: number;
  /** Bytes of the largest image that is given as data or as a stream. Default 256 MiB. */
  readonly maxBytes?: number;
  /** Ends the loading. */
  readonly signal?: AbortSignal;
}

/** What is asked of each image. */
interface ImageOptions {
  /** Likeliest classes of each image. Default 5, or all where there are fewer. */
  readonly topK?: number;
  /** Give the features too, the numbers that the head sees, for search. Default false. */
  readonly features?: boolean;
}

/** What is asked of one call. */
export interface PredictOptions extends ImageOptions {
  /** Milliseconds after which the call rejects with `ERR_DEADLINE`. Default: never. */
  readonly timeoutMs?: number;
  /** Of an array: leave out images that turn out to be broken, and tell `onSkipped`, instead of rejecting. Default false. */
  readonly skipCorrupt?: boolean;
  /** Told of each image that is left out, and why. */
  readonly onSkipped?: (path: string, message: string) => void;
  /** Images done, and all. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** What is asked of a stream of images. */
export interface StreamOptions extends ImageOptions {
  /**
   * Images that are read, wait, are computed, or are done and not asked for yet, at most: the source waits until there is
   * room. Default: enough that the next batch is made ready while one is computed; 1 to `maxQueue`.
   */
  readonly concurrency?: number;
  /**
   * True: the first image that cannot be labelled ends the stream with its error. False: it gives a `FailedPrediction`,
   * in its turn, and the stream goes on. Default true.
   */
  readonly stopOnError?: boolean;
  /** Milliseconds after which an image fails with `ERR_DEADLINE`, from when it was begun. Default: never. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** What images become before the network sees them, and how it computes. */
export interface PredictorInput {
  readonly imageSize: number;
  readonly resize: number;
  readonly precision: PrecisionName;
  readonly device: string;
}

export const PREDICTOR_OPTIONS = [
  'imageSize',
  'resize',
  'workers',
  'precision',
  'classes',
  'device',
  'maxBatch',
  'maxDelayMs',
  'maxQueue',
  'maxPixels',
  'maxBytes',
  'signal',
] as const satisfies readonly (keyof PredictorOptions)[];

export const PREDICT_OPTIONS = [
  'topK',
  'features',
  'timeoutMs',
  'skipCorrupt',
  'onSkipped',
  'onProgress',
  'signal',
] as const satisfies readonly (keyof PredictOptions)[];

export const STREAM_OPTIONS = [
  'topK',
  'features',
  'concurrency',
  'stopOnError',
  'timeoutMs',
  'signal',
] as const satisfies readonly (keyof StreamOptions)[];

const DEFAULT_TOP_K = 5;
const MOST_TIMEOUT_MS = 2 ** 31 - 1;

/** What is asked of each image, checked. */
export interface Asked {
  readonly topK: number;
  readonly features: boolean;
}

/** @throws ERR_INVALID_ARGUMENT */
export function askedOf(o: ImageOptions, classes: number): Asked {
  const topK = requireNumber(o.topK ?? Math.min(DEFAULT_TOP_K, classes), 'topK', { integer: true, min: 1 });
  if (topK > classes) throw invalidArgument(`topK is ${topK}, but the model knows ${classes} classes.`);
  return { topK, features: requireBoolean(o.features ?? false, 'features') };
}

/** @throws ERR_INVALID_ARGUMENT */
export function timeoutOf({ timeoutMs }: { readonly timeoutMs?: number }): number | undefined {
  if (timeoutMs === undefined) return undefined;
  return requireNumber(timeoutMs, 'timeoutMs', { exclusiveMin: 0, max: MOST_TIMEOUT_MS });
}

/** @throws ERR_INVALID_ARGUMENT */
export function signalOf({ signal }: { readonly signal?: AbortSignal }): AbortSignal | undefined {
  if (signal === undefined || isAbortSignal(signal)) return signal;
  throw invalidArgument(`signal must be an AbortSignal, not ${describe(signal)}.`);
}

/** A predictor's options, checked, and what was left out. */
export interface Settings {
  readonly input: PredictorInput;
  /** Images of one call that are under way at a time. */
  readonly window: number;
  readonly maxQueue: number;
  readonly maxBytes: number;
}

/** @throws ERR_INVALID_ARGUMENT */
export function openNative(
  model: ResNet,
  o: PredictorOptions,
): { readonly handle: NativePredictor; readonly settings: Settings } {
  const integer = (
    name: 'workers' | 'maxBatch' | 'maxQueue' | 'maxPixels' | 'maxBytes',
    fallback: number,
    max: number,
  ) => requireNumber(o[name] ?? fallback, name, { integer: true, min: 1, max });
  const precision = requireOneOf(o.precision ?? 'auto', 'precision', PRECISIONS);
  const compute = resolveCompute(precision, model, native());
  const imageSize = o.imageSize ?? model.preprocessing?.crop ?? 224;
  const resize = o.resize ?? defaultResize(imageSize, model.preprocessing);
  const workers = integer('workers', defaultWorkers(), MOST_WORKERS);
  const maxBatch = integer('maxBatch', 32, 4096);
  const maxQueue = integer('maxQueue', 256, 1e6);
  const maxBytes = integer('maxBytes', 2 ** 28, 2 ** 31);
  const handle = new (native().Predictor)(model.handle, {
    compute,
    crop: centerCrop(imageSize, resize),
    workers,
    maxBatch,
    maxDelayMs: requireNumber(o.maxDelayMs ?? 0, 'maxDelayMs', { min: 0, max: 60_000 }),
    maxPixels: integer('maxPixels', MOST_PIXELS, MOST_PIXELS),
  });
  const settings = {
    input: { imageSize, resize, precision: precisionName(compute, model.dtype), device: model.device },
    // While a batch is computed the next one is made ready.
    window: Math.min(2 * maxBatch + workers, maxQueue),
    maxQueue,
    maxBytes,
  };
  return { handle, settings };
}
