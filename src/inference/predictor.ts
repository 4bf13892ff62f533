import { isBytes } from '../bytes.js';
import { datasetError } from '../data/dataset-error.js';
import { closeImage, type ImageInput, type TakenImage, type TakeOptions, takeImage } from '../data/image-input.js';
import { findImages, isFolder } from '../data/images.js';
import type { Pullable } from '../data/pull.js';
import { ResnetTorchError } from '../errors.js';
import { isAsyncIterable, isReadableStream } from '../kinds.js';
import { type ArchitectureName, architectureOf } from '../model/architecture.js';
import type { LoadOptions } from '../model/load.js';
import { ResNet, type Tensor2D } from '../model/network.js';
import { calledFrom, callSite } from '../native/call-site.js';
import type { NativePredictor } from '../native/contract/predictor.js';
import type { Note } from '../notes.js';
import { checkOptions, describe, invalidArgument, requireBoolean, requireNumber } from '../options.js';
import { Call } from './call.js';
import { InOrder } from './in-order.js';
import { Places } from './places.js';
import {
  type FailedPrediction,
  isOfOneImage,
  type Prediction,
  type PredictionOf,
  predictionOf,
  type StreamedPrediction,
} from './prediction.js';
import {
  type Asked,
  askedOf,
  openNative,
  PREDICT_OPTIONS,
  PREDICTOR_OPTIONS,
  type PredictOptions,
  type PredictorInput,
  type PredictorOptions,
  type Settings,
  STREAM_OPTIONS,
  type StreamOptions,
  signalOf,
  timeoutOf,
} from './predictor-options.js';

/** What a predictor has done, and what it is at. */
export interface PredictorQueue {
  /** Images that are read, wait, or are being computed. */
  readonly waiting: number;
  readonly batches: number;
  readonly images: number;
}

/**
 * Labels images with a trained model. Calls may overlap: the images of all that wait are computed together, in batches
 * (dynamic batching), ahead of any training in the process.
 */
export class Predictor {
  readonly #model: ResNet;
  readonly #native: NativePredictor;
  readonly #settings: Settings;
  /** Of images that are under way. */
  readonly #places: Places;
  #calls = 0;
  #disposed = false;

  private constructor(model: ResNet, handle: NativePredictor, settings: Settings) {
    this.#model = model;
    this.#native = handle;
    this.#settings = settings;
    this.#places = new Places(settings.maxQueue);
  }

  /**
   * @param model a run directory, which stands for its best checkpoint, a checkpoint, or a weights file with a head
   * @throws ERR_CHECKPOINT when there is no such model; ERR_WEIGHTS_FORMAT or ERR_SHAPE_MISMATCH when a file does not
   *   fit; ERR_INVALID_ARGUMENT for options out of range
   */
  static async load(model: string, options: PredictorOptions = {}): Promise<Predictor> {
    checkOptions(options, PREDICTOR_OPTIONS, 'Predictor.load()');
    const { classes, device } = options;
    const signal = signalOf(options);
    const load: LoadOptions = {
      ...(classes === undefined ? {} : { classes }),
      ...(device === undefined ? {} : { device }),
      ...(signal === undefined ? {} : { signal }),
    };
    const loaded = await ResNet.load(model, load);
    try {
      const { handle, settings } = openNative(loaded, options);
      return new Predictor(loaded, handle, settings);
    } catch (error) {
      loaded.dispose();
      throw error;
    }
  }

  /** The member of the family that the model is. */
  get arch(): ArchitectureName {
    return this.#model.arch;
  }

  /** Class names in the order of the outputs. */
  get classes(): readonly string[] {
    return this.#model.classes;
  }

  /** Sentences about how the weights were loaded. */
  get notes(): readonly Note[] {
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
   * The bytes of an image that is given as data, alone or in an array, are copied before this returns: a buffer may be
   * reused at once. A stream is read to its end, and closed however the call ends: at a time-out, an abort or any other
   * failure a stream of Node is destroyed, one of the web cancelled, an async iterator returned from.
   *
   * @throws ERR_OVERLOADED when `maxQueue` images are under way; ERR_DEADLINE after `timeoutMs`; ERR_DATASET when a path
   *   is not there; ERR_IMAGE_DECODE for what cannot be read; ERR_IMAGE_TOO_LARGE beyond `maxPixels` or `maxBytes`;
   *   ERR_SHAPE_MISMATCH for pixels that do not fit their shape; ERR_FILE for a stream that fails, with its error as
   *   `cause`; ERR_INVALID_ARGUMENT; ERR_DISPOSED; the signal's reason when it is aborted
   */
  predict<const O extends PredictOptions = PredictOptions>(image: ImageInput, options?: O): Promise<PredictionOf<O>>;
  /**
   * Labels images, in their order; a path may name a folder, which stands for the images below it, sorted. For many
   * images that are not in files, `stream()` takes less memory: here the bytes of all of them are copied at once.
   */
  predict<const O extends PredictOptions = PredictOptions>(
    images: readonly ImageInput[],
    options?: O,
  ): Promise<readonly PredictionOf<O>[]>;
  async predict(
    images: ImageInput | readonly ImageInput[],
    options: PredictOptions = {},
  ): Promise<Prediction | readonly Prediction[]> {
    const site = callSite(this.predict);
    const given = isList(images) ? [...images] : [images];
    try {
      checkOptions(options, PREDICT_OPTIONS, 'predict()');
      const asked = askedOf(options, this.#model.classes.length);
      return await (isList(images) ? this.#many(given, asked, options) : this.#one(images, asked, options));
    } catch (error) {
      for (const image of given) void closeImage(image);
      throw calledFrom(error, site);
    }
  }

  /**
   * Labels images as they come, in their order, with back-pressure: the source is asked for the next image when one of
   * the `concurrency` before it was taken. Nothing is asked of it before the first `next()`.
   *
   * Bytes are copied as an image comes, before the source is asked for the next: it may reuse its buffer. A path may name
   * a folder. When the loop ends early, by `break`, a failure or the signal, what is under way is cancelled and the source
   * is closed. Where the queue is full, the stream waits for places.
   *
   * @example for await (const { file, predictions } of predictor.stream(paths())) console.log(file, predictions[0]?.label);
   * @param images of an async generator, an array, a stream of objects; one image alone goes to `predict()`
   * @throws ERR_INVALID_ARGUMENT and ERR_DISPOSED at once; while it is read what `predict()` throws of an image, unless
   *   `stopOnError` is false; whatever the source throws, after the images before it; the signal's reason
   */
  stream<const O extends StreamOptions = Record<never, never>>(
    images: Pullable<ImageInput>,
    options?: O,
  ): AsyncIterableIterator<StreamedPrediction<O>>;
  stream(
    images: Pullable<ImageInput>,
    options: StreamOptions = {},
  ): AsyncIterableIterator<Prediction | FailedPrediction> {
    checkOptions(options, STREAM_OPTIONS, 'stream()');
    const asked = askedOf(options, this.#model.classes.length);
    const timeoutMs = timeoutOf(options);
    const stopOnError = requireBoolean(options.stopOnError ?? true, 'stopOnError');
    const { window, maxQueue, maxBytes } = this.#settings;
    const range = { integer: true, min: 1, max: maxQueue };
    const most = requireNumber(options.concurrency ?? window, 'concurrency', range);
    requireImages(images);
    this.#refuseDisposed();
    const call = new Call(signalOf(options), undefined);
    const opened = new Set<TakenImage>();
    call.signal.addEventListener('abort', () => closeAll(opened), { once: true });
    return new InOrder<ImageInput, TakenImage, Prediction | FailedPrediction>(images, {
      most,
      signal: call.signal,
      open: async (image, index) => {
        const taken = takeOrFail(image, { maxBytes, index, copy: true });
        if (taken.ready === null) opened.add(taken);
        return filesOf(taken).catch((error) => [failing(taken, error)]);
      },
      admit: () => this.#places.wait(call.signal),
      run: async (image) => {
        const own = new Call(call.signal, timeoutMs);
        own.signal.addEventListener('abort', () => void image.close(), { once: true });
        this.#calls++;
        try {
          this.#refuseDisposed();
          return await own.within(this.#look(image, asked, own));
        } catch (error) {
          own.end(error);
          if (stopOnError || call.signal.aborted || !isOfOneImage(error)) throw error;
          return { file: image.path, error };
        } finally {
          own.close();
          opened.delete(image);
          this.#leave(1);
        }
      },
      end: () => {
        call.end(undefined);
        call.close();
      },
    });
  }

  /**
   * The features of images, for search by likeness: what the head sees of each, row by row.
   *
   * @returns [images, features], of which there are 512 in a resnet18 or resnet34 and 2048 in the others
   * @throws as `predict()`
   */
  async features(
    images: ImageInput | readonly ImageInput[],
    options: Omit<PredictOptions, 'topK' | 'features'> = {},
  ): Promise<Tensor2D> {
    const list = isList(images) ? images : [images];
    const found = await this.predict(list, { ...options, topK: 1, features: true });
    const width = architectureOf(this.arch).features;
    const data = new Float32Array(found.length * width);
    for (const [row, { features }] of found.entries()) data.set(features, row * width);
    return { data, shape: [found.length, width] };
  }

  #one(given: ImageInput, asked: Asked, options: PredictOptions): Promise<Prediction> {
    return this.#during(options, 1, async (call) => {
      const image = takeImage(given, { maxBytes: this.#settings.maxBytes });
      call.signal.addEventListener('abort', () => void image.close(), { once: true });
      if (image.path !== null && (await isFolder(image.path))) {
        throw datasetError(
          `${image.name} is a folder. For all images in it give an array: predict(['${image.name}']).`,
        );
      }
      const prediction = await this.#look(image, asked, call);
      options.onProgress?.(1, 1);
      return prediction;
    });
  }

  #many(given: readonly ImageInput[], asked: Asked, options: PredictOptions): Promise<readonly Prediction[]> {
    const skipCorrupt = requireBoolean(options.skipCorrupt ?? false, 'skipCorrupt');
    const { window, maxBytes } = this.#settings;
    return this.#during(options, Math.min(Math.max(given.length, 1), window), async (call, places) => {
      const taken = given.map((image, index) => takeOrFail(image, { maxBytes, index, copy: true }));
      const streams = taken.filter(({ ready }) => ready === null);
      call.signal.addEventListener('abort', () => closeAll(streams), { once: true });
      const images: (TakenImage | undefined)[] = [];
      for (const image of taken.splice(0)) for (const file of await filesOf(image)) images.push(file);
      const found: (Prediction | undefined)[] = new Array(images.length);
      let next = 0;
      let done = 0;
      options.onProgress?.(0, images.length);
      const walk = async (): Promise<void> => {
        for (let index = next++; index < images.length; index = next++) {
          const image = images[index] as TakenImage;
          // The copy of its bytes goes when native code has its own.
          images[index] = undefined;
          try {
            found[index] = await this.#look(image, asked, call);
          } catch (error) {
            if (!skipCorrupt || !(error instanceof ResnetTorchError) || error.code !== 'ERR_IMAGE_DECODE') throw error;
            options.onSkipped?.(image.path ?? image.name, error.message);
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
    const signal = signalOf(options);
    signal?.throwIfAborted();
    const timeoutMs = timeoutOf(options);
    if (!this.#places.take(places)) {
      throw new ResnetTorchError(
        'ERR_OVERLOADED',
        `${this.#places.taken} images are under way, and the queue is for ${this.#settings.maxQueue}. ` +
          'Try again later, or allow more with maxQueue.',
      );
    }
    this.#calls++;
    const call = new Call(signal, timeoutMs);
    try {
      return await call.within(body(call, places));
    } catch (error) {
      call.end(error);
      throw error;
    } finally {
      call.close();
      this.#leave(places);
    }
  }

  #leave(places: number): void {
    this.#places.give(places);
    this.#calls--;
    if (this.#disposed) this.#free();
  }

  /** Bytes that are there are in native code's hands when this returns its promise. */
  async #look(image: TakenImage, { topK, features }: Asked, call: Call): Promise<Prediction> {
    const given = image.ready ?? (await image.read());
    const { name } = image;
    const seen = await call.native((token) => this.#native.predict(given, { name, topK, features }, token));
    return predictionOf(image.path, seen, this.#model.classes);
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

/** What is wrong with an image is told when its turn comes. */
function takeOrFail(image: ImageInput, options: TakeOptions): TakenImage {
  try {
    return takeImage(image, options);
  } catch (error) {
    return failing({ name: `(images[${options.index}])`, path: null }, error);
  }
}

function failing({ name, path }: Pick<TakenImage, 'name' | 'path'>, error: unknown): TakenImage {
  return { name, path, ready: null, read: () => Promise.reject(error), close: async () => undefined };
}

/** A folder becomes the images in it. */
async function filesOf(image: TakenImage): Promise<readonly TakenImage[]> {
  if (image.path === null) return [image];
  const { files } = await findImages([image.path]);
  return files.map((path) => (path === image.path ? image : takeImage(path, { maxBytes: 0 })));
}

function closeAll(images: Iterable<TakenImage>): void {
  for (const image of images) void image.close();
}

/** @throws ERR_INVALID_ARGUMENT */
function requireImages(images: unknown): void {
  const isMany =
    typeof images === 'object' &&
    images !== null &&
    !isBytes(images) &&
    (isAsyncIterable(images) || isReadableStream(images) || Symbol.iterator in images);
  if (!isMany) {
    throw invalidArgument(
      `stream() takes an async iterable or an iterable of images, such as an array, not ${describe(images)}. ` +
        'One image goes to predict().',
    );
  }
  if ((images as { readonly readableObjectMode?: boolean }).readableObjectMode === false) {
    throw invalidArgument('stream() takes a stream of images, not of bytes. The bytes of one image go to predict().');
  }
}
