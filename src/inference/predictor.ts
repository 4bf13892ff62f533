import { MOST_WORKERS } from '../data/batches.js';
import { datasetError } from '../data/folder.js';
import { type ImageInput, MOST_PIXELS, nameOf, toNativeImage } from '../data/image-input.js';
import { findImages, isFolder } from '../data/images.js';
import { defaultWorkers } from '../data/loader.js';
import { cropOptions, defaultResize } from '../data/transforms.js';
import { ResnetTorchError } from '../errors.js';
import type { Device } from '../model/device.js';
import { PRECISIONS, type Precision, type PrecisionName, precisionName, resolveCompute } from '../model/precision.js';
import { type LoadOptions, ResNet50, type Tensor2D } from '../model/resnet50.js';
import type { NativePrediction, NativePredictor } from '../native/binding.js';
import { native } from '../native/load.js';
import { checkOptions, invalidArgument, requireBoolean, requireNumber, requireOneOf } from '../options.js';
import { Call } from './call.js';

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

/** What is asked of one call. */
export interface PredictOptions {
  /** Likeliest classes of each image. Default 5, or all where there are fewer. */
  readonly topK?: number;
  /** Give the features too, the 2048 numbers that the head sees, for search. Default false. */
  readonly features?: boolean;
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
  /** [2048], after the global average pool. */
  readonly features: Float32Array;
}

/** What `predict()` gives by its options. */
export type PredictionOf<O extends PredictOptions> = O extends { readonly features: true }
  ? PredictionWithFeatures
  : Prediction;

/** What images become before the network sees them, and how it computes. */
export interface PredictorInput {
  readonly imageSize: number;
  readonly resize: number;
  readonly precision: PrecisionName;
  readonly device: string;
}

/** What a predictor has done, and what it is at. */
export interface PredictorQueue {
  /** Images that are read, wait, or are being computed. */
  readonly waiting: number;
  readonly batches: number;
  readonly images: number;
}

const PREDICTOR_OPTIONS = [
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

const PREDICT_OPTIONS = [
  'topK',
  'features',
  'timeoutMs',
  'skipCorrupt',
  'onSkipped',
  'onProgress',
  'signal',
] as const satisfies readonly (keyof PredictOptions)[];

const DEFAULT_TOP_K = 5;
const FEATURES = 2048;
const MOST_TIMEOUT_MS = 2 ** 31 - 1;

/** A call's options, checked. */
interface Asked {
  readonly topK: number;
  readonly features: boolean;
}

interface Settings {
  readonly input: PredictorInput;
  /** Images of a call that are under way at a time. */
  readonly window: number;
  readonly maxQueue: number;
  readonly maxBytes: number;
}

/**
 * Labels images with a trained model. Calls may overlap: the images of all that wait are computed together, in batches
 * (dynamic batching), ahead of any training in the process.
 */
export class Predictor {
  readonly #model: ResNet50;
  readonly #native: NativePredictor;
  readonly #settings: Settings;
  /** Images that calls have a place for. */
  #reserved = 0;
  #calls = 0;
  #disposed = false;

  private constructor(model: ResNet50, handle: NativePredictor, settings: Settings) {
    this.#model = model;
    this.#native = handle;
    this.#settings = settings;
  }

  /**
   * @param model a run directory, which stands for its best checkpoint, a checkpoint, or a weights file with a head
   * @throws ERR_CHECKPOINT when there is no such model; ERR_WEIGHTS_FORMAT or ERR_SHAPE_MISMATCH when a file does not
   *   fit; ERR_INVALID_ARGUMENT for options out of range
   */
  static async load(model: string, options: PredictorOptions = {}): Promise<Predictor> {
    checkOptions(options, PREDICTOR_OPTIONS, 'Predictor.load()');
    const { classes, device, signal } = options;
    const load: LoadOptions = {
      ...(classes === undefined ? {} : { classes }),
      ...(device === undefined ? {} : { device }),
      ...(signal === undefined ? {} : { signal }),
    };
    const loaded = await ResNet50.load(model, load);
    try {
      return open(loaded, options, (handle, settings) => new Predictor(loaded, handle, settings));
    } catch (error) {
      loaded.dispose();
      throw error;
    }
  }

  /** Class names in the order of the outputs. */
  get classes(): readonly string[] {
    return this.#model.classes;
  }

  /** Sentences about how the weights were loaded. */
  get notes(): readonly string[] {
    return this.#model.notes;
  }

  /** How images become input here, and how it is computed. */
  get input(): PredictorInput {
    return this.#settings.input;
  }

  /** @throws ERR_DISPOSED */
  get queue(): PredictorQueue {
    this.#refuseDisposed();
    return this.#native.stats();
  }

  /**
   * Labels an image.
   *
   * @throws ERR_OVERLOADED when `maxQueue` images are under way; ERR_DEADLINE after `timeoutMs`; ERR_DATASET when a path
   *   is not there; ERR_IMAGE_DECODE for what cannot be read; ERR_IMAGE_TOO_LARGE beyond `maxPixels` or `maxBytes`;
   *   ERR_SHAPE_MISMATCH for pixels that do not fit their shape; ERR_INVALID_ARGUMENT; ERR_DISPOSED; the signal's reason
   *   when it is aborted
   */
  predict<const O extends PredictOptions = PredictOptions>(image: ImageInput, options?: O): Promise<PredictionOf<O>>;
  /** Labels images, in their order; a path may name a folder, which stands for the images below it, sorted. */
  predict<const O extends PredictOptions = PredictOptions>(
    images: readonly ImageInput[],
    options?: O,
  ): Promise<readonly PredictionOf<O>[]>;
  async predict(
    images: ImageInput | readonly ImageInput[],
    options: PredictOptions = {},
  ): Promise<Prediction | readonly Prediction[]> {
    checkOptions(options, PREDICT_OPTIONS, 'predict()');
    const asked = {
      topK: this.#topK(options.topK),
      features: requireBoolean(options.features ?? false, 'features'),
    };
    return isList(images) ? this.#many(images, asked, options) : this.#one(images, asked, options);
  }

  /**
   * The features of images, for search by likeness: what the head sees of each, row by row.
   *
   * @returns [images, 2048]
   * @throws as `predict()`
   */
  async features(
    images: ImageInput | readonly ImageInput[],
    options: Omit<PredictOptions, 'topK' | 'features'> = {},
  ): Promise<Tensor2D> {
    const list = isList(images) ? images : [images];
    const found = await this.predict(list, { ...options, topK: 1, features: true });
    const data = new Float32Array(found.length * FEATURES);
    for (const [row, { features }] of found.entries()) data.set(features, row * FEATURES);
    return { data, shape: [found.length, FEATURES] };
  }

  #topK(given: number | undefined): number {
    const classes = this.#model.classes.length;
    const topK = requireNumber(given ?? Math.min(DEFAULT_TOP_K, classes), 'topK', { integer: true, min: 1 });
    if (topK > classes) throw invalidArgument(`topK is ${topK}, but the model knows ${classes} classes.`);
    return topK;
  }

  #one(image: ImageInput, asked: Asked, options: PredictOptions): Promise<Prediction> {
    return this.#during(options, 1, async (call) => {
      if (typeof image === 'string' && (await isFolder(image))) {
        throw datasetError(`${image} is a folder. For all images in it give an array: predict(['${image}']).`);
      }
      const prediction = await this.#look(image, nameOf(image), asked, call);
      options.onProgress?.(1, 1);
      return prediction;
    });
  }

  #many(given: readonly ImageInput[], asked: Asked, options: PredictOptions): Promise<readonly Prediction[]> {
    const skipCorrupt = requireBoolean(options.skipCorrupt ?? false, 'skipCorrupt');
    return this.#during(options, Math.min(Math.max(given.length, 1), this.#settings.window), async (call, places) => {
      const images = await withFolders(given);
      const found: (Prediction | undefined)[] = new Array(images.length);
      let next = 0;
      let done = 0;
      options.onProgress?.(0, images.length);
      const walk = async (): Promise<void> => {
        for (let index = next++; index < images.length; index = next++) {
          const image = images[index] as ImageInput;
          const name = nameOf(image, index);
          try {
            found[index] = await this.#look(image, name, asked, call);
          } catch (error) {
            if (!skipCorrupt || !(error instanceof ResnetTorchError) || error.code !== 'ERR_IMAGE_DECODE') throw error;
            options.onSkipped?.(name, error.message);
          }
          options.onProgress?.(++done, images.length);
        }
      };
      await Promise.all(Array.from({ length: places }, walk));
      return found.filter((prediction) => prediction !== undefined);
    });
  }

  /** Takes places in the queue for the time of a call; what fails ends the whole call. */
  async #during<T>(
    options: PredictOptions,
    places: number,
    body: (call: Call, places: number) => Promise<T>,
  ): Promise<T> {
    this.#refuseDisposed();
    const { timeoutMs, signal } = options;
    signal?.throwIfAborted();
    if (timeoutMs !== undefined) {
      requireNumber(timeoutMs, 'timeoutMs', { exclusiveMin: 0, max: MOST_TIMEOUT_MS });
    }
    if (this.#reserved + places > this.#settings.maxQueue) {
      throw new ResnetTorchError(
        'ERR_OVERLOADED',
        `${this.#reserved} images are under way, and the queue is for ${this.#settings.maxQueue}. ` +
          'Try again later, or allow more with maxQueue.',
      );
    }
    this.#reserved += places;
    this.#calls++;
    const call = new Call(signal, timeoutMs);
    try {
      return await call.within(body(call, places));
    } catch (error) {
      call.end(error);
      throw error;
    } finally {
      call.close();
      this.#reserved -= places;
      this.#calls--;
      if (this.#disposed) this.#free();
    }
  }

  async #look(image: ImageInput, name: string, { topK, features }: Asked, call: Call): Promise<Prediction> {
    const given = await toNativeImage(image, name, this.#settings.maxBytes, call.signal);
    const seen = await call.native((token) => this.#native.predict(given, { name, topK, features }, token));
    return this.#prediction(typeof image === 'string' ? image : null, seen);
  }

  #prediction(file: string | null, { classes, probabilities, features }: NativePrediction): Prediction {
    const predictions = Array.from(classes, (index, rank) => ({
      label: this.#model.classes[index] ?? String(index),
      index,
      probability: probabilities[rank] ?? 0,
    }));
    return features === null ? { file, predictions } : ({ file, predictions, features } as PredictionWithFeatures);
  }

  #refuseDisposed(): void {
    if (this.#disposed) throw new ResnetTorchError('ERR_DISPOSED', 'The predictor was disposed of.');
  }

  #free(): void {
    if (this.#calls > 0) return;
    this.#native.dispose();
    this.#model.dispose();
  }

  /** Takes no more calls, and frees the weights once those that are under way are done. Idempotent. */
  dispose(): void {
    this.#disposed = true;
    this.#free();
  }

  /** `dispose()`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

function isList(images: ImageInput | readonly ImageInput[]): images is readonly ImageInput[] {
  return Array.isArray(images);
}

/** Folders become the images in them. */
async function withFolders(images: readonly ImageInput[]): Promise<readonly ImageInput[]> {
  const found: ImageInput[] = [];
  for (const image of images) {
    if (typeof image !== 'string') found.push(image);
    else for (const file of (await findImages([image])).files) found.push(file);
  }
  return found;
}

function open<T>(model: ResNet50, o: PredictorOptions, make: (handle: NativePredictor, settings: Settings) => T): T {
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
  const handle = new (native().Predictor)(model.handle, {
    compute,
    crop: cropOptions('none', imageSize, resize),
    workers,
    maxBatch,
    maxDelayMs: requireNumber(o.maxDelayMs ?? 0, 'maxDelayMs', { min: 0, max: 60_000 }),
    maxPixels: integer('maxPixels', MOST_PIXELS, MOST_PIXELS),
  });
  return make(handle, {
    input: { imageSize, resize, precision: precisionName(compute, model.dtype), device: model.device },
    // While a batch is computed the next one is made ready.
    window: Math.min(2 * maxBatch + workers, maxQueue),
    maxQueue,
    maxBytes: integer('maxBytes', 2 ** 28, 2 ** 31),
  });
}
