import { openImages } from '../data/images.js';
import type { Device } from '../model/device.js';
import { type LoadOptions, ResNet50 } from '../model/resnet50.js';
import type { NativeClassification } from '../native/binding.js';
import { checkOptions, invalidArgument, requireNumber } from '../options.js';
import { INPUT_OPTION_NAMES, type InputOptions, PASS_OPTION_NAMES, type PassOptions, passOver } from './input.js';

export interface PredictorOptions extends InputOptions {
  /** Names of a weights file's outputs, in their order; default: the indices. A checkpoint has names of its own. */
  readonly classes?: readonly string[];
  /** Default `auto`. */
  readonly device?: Device;
  readonly signal?: AbortSignal;
}

export interface PredictOptions extends PassOptions {
  /** Likeliest classes of each image. Default 5, or all where there are fewer. */
  readonly topK?: number;
}

export interface Prediction {
  readonly file: string;
  /** Likeliest first. */
  readonly predictions: readonly {
    readonly label: string;
    /** Of the output, from 0. */
    readonly index: number;
    /** Softmax over all classes, 0 to 1. */
    readonly probability: number;
  }[];
}

const OWN_NAMES = ['classes', 'device', 'signal'] as const;
const DEFAULT_TOP_K = 5;

/** Labels image files with a trained model. */
export class Predictor {
  readonly #model: ResNet50;
  readonly #input: InputOptions;

  private constructor(model: ResNet50, input: InputOptions) {
    this.#model = model;
    this.#input = input;
  }

  /**
   * @param model a run directory, which stands for its best checkpoint, a checkpoint, or a weights file with a head
   * @throws ERR_CHECKPOINT when there is no such model; ERR_WEIGHTS_FORMAT or ERR_SHAPE_MISMATCH when a file does not
   *   fit; ERR_INVALID_ARGUMENT for options out of range
   */
  static async load(model: string, options: PredictorOptions = {}): Promise<Predictor> {
    checkOptions(options, [...INPUT_OPTION_NAMES, ...OWN_NAMES], 'Predictor.load()');
    const { classes, device, signal, ...input } = options;
    const load: LoadOptions = {
      ...(classes === undefined ? {} : { classes }),
      ...(device === undefined ? {} : { device }),
      ...(signal === undefined ? {} : { signal }),
    };
    return new Predictor(await ResNet50.load(model, load), input);
  }

  /** Class names in the order of the outputs. */
  get classes(): readonly string[] {
    return this.#model.classes;
  }

  /** Sentences about how the weights were loaded. */
  get notes(): readonly string[] {
    return this.#model.notes;
  }

  /**
   * Labels images, in the order of `paths`; a folder stands for the images below it, sorted. Calls may overlap.
   *
   * @throws ERR_DATASET when a path is not there or a folder holds no images; ERR_IMAGE_DECODE naming a file that cannot
   *   be read; ERR_INVALID_ARGUMENT; ERR_DISPOSED; the signal's reason when it is aborted
   */
  async predict(paths: string | readonly string[], options: PredictOptions = {}): Promise<readonly Prediction[]> {
    checkOptions(options, ['topK', ...PASS_OPTION_NAMES], 'predict()');
    const classes = this.#model.classes.length;
    const topK = requireNumber(options.topK ?? Math.min(DEFAULT_TOP_K, classes), 'topK', { integer: true, min: 1 });
    if (topK > classes) throw invalidArgument(`topK is ${topK}, but the model knows ${classes} classes.`);
    const { skipCorrupt, signal, onSkipped } = options;
    const { workers } = this.#input;
    const images = await openImages(typeof paths === 'string' ? [paths] : paths, {
      ...(workers === undefined ? {} : { workers }),
      ...(skipCorrupt === undefined ? {} : { skipCorrupt }),
      ...(signal === undefined ? {} : { signal }),
    });
    for (const { path, message } of images.skipped.corrupt) onSkipped?.(path, message);
    if (images.files.length === 0) return [];
    const parts = await passOver(this.#model, images.fileList(), this.#input, options, (request, token) =>
      this.#model.handle.classify({ ...request, topK }, token),
    );
    return parts.flatMap((part) => this.#predictions(part, images.files, topK));
  }

  #predictions(part: NativeClassification, files: readonly string[], topK: number): readonly Prediction[] {
    return Array.from(part.indices, (fileIndex, row) => ({
      file: files[fileIndex] ?? '',
      predictions: Array.from({ length: topK }, (_, rank) => {
        const index = part.classes[row * topK + rank] ?? 0;
        return {
          label: this.#model.classes[index] ?? String(index),
          index,
          probability: part.probabilities[row * topK + rank] ?? 0,
        };
      }),
    }));
  }

  /** Frees the weights, once calls that use them are done. Idempotent. */
  dispose(): void {
    this.#model.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
