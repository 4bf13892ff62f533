import { ResnetTorchError } from '../errors.js';
import type { Truth } from '../metrics/counts.js';
import type { NativeFileList } from '../native/contract/data.js';
import type { Note } from '../notes.js';
import { checkOptions } from '../options.js';
import {
  type Batch,
  type BatchOptions,
  iterateBatches,
  type NormalisedBatch,
  type PixelBatch,
  planBatches,
  type SplitName,
} from './batches.js';
import type { ScanOptions } from './check.js';
import { datasetError } from './dataset-error.js';
import { type ImageStore, makeFileList } from './file-lists.js';
import type { Fold } from './folds.js';
import { quoted } from './quoted.js';
import { type DatasetContent, readListing } from './read-listing.js';
import { resolveSetOptions, type SetSettings } from './set-options.js';
import type { Skipped } from './skipped.js';
import type { LabelledFile, Listing } from './sources/listing.js';
import { sourceOf } from './sources/registry.js';
import { Turns } from './turns.js';

export type {
  Batch,
  BatchOptions,
  NormalisedBatch,
  PixelBatch,
  SplitName,
} from './batches.js';
export type { CorruptFile } from './check.js';
export type { Fold } from './folds.js';
export type { IgnoredFile } from './image-tree.js';
export type { Skipped } from './skipped.js';
export type { LabelledFile } from './sources/listing.js';

/** How a data set is read and divided. */
export interface DatasetOptions {
  /**
   * Share of each class to hold back for evaluation, 0 to 0.9, where the folder has no part for it. Default 0.2; 0 holds
   * nothing back.
   */
  readonly valSplit?: number;
  /**
   * Hold back one of k stratified folds in place of a share: for a cross-validation, `{ of: 5, index: 0 }` to
   * `{ of: 5, index: 4 }` with the same seed. Every image is in one of them.
   */
  readonly fold?: Fold;
  /** Addresses the choice of what is held back. Default 0. */
  readonly seed?: number;
  /** Leave out files that cannot be read, and list them in `skipped`, instead of failing. Default false. */
  readonly skipCorrupt?: boolean;
  /**
   * `train`: there must be a part to train on and at least two classes. `evaluate`: any labelled images will do. Default
   * `train`.
   */
  readonly purpose?: 'train' | 'evaluate';
  /** Threads that read headers. Default: as many as there are cores. */
  readonly workers?: number;
  /** Hears of files whose header was read. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** The images of a part of a data set, and how many each class has. */
export interface Split {
  readonly name: SplitName;
  /** Class by class; the position of a file here is its index in batches. */
  readonly files: readonly LabelledFile[];
  /** Images of each class. */
  readonly counts: readonly number[];
}

const DATASET_OPTIONS = [
  'valSplit',
  'fold',
  'seed',
  'skipCorrupt',
  'purpose',
  'workers',
  'onProgress',
  'signal',
] as const satisfies readonly (keyof DatasetOptions)[];

/**
 * Labelled images, in two parts: to train on and to evaluate on. Made by `openDataset` of what lies in folders or is named in
 * a list, and by `collectDataset` of an iterable.
 */
export class Dataset {
  readonly path: string;
  /** Class names in the order of their labels: sorted as strings, by code points, as in torchvision's ImageFolder. */
  readonly classes: readonly string[];
  readonly splits: Readonly<Record<'train' | 'val', Split>>;
  /** Whether the folder itself has a part to evaluate on, such as `val/`. */
  readonly hasParts: boolean;
  /** What lies in the folder and is not used: files that are not read by their name, and broken ones. */
  readonly skipped: Skipped;
  /** What changes the meaning of results on this data: what was left out or passed over, and why. Often empty. */
  readonly notes: readonly Note[];
  /**
   * Whether `path` is a folder, and the files lie in it.
   *
   * @internal
   */
  readonly isFolder: boolean;
  readonly #skipCorrupt: boolean;
  readonly #sizes: Readonly<Record<'train' | 'val', Int32Array>>;
  readonly #source: ImageStore | null;
  readonly #lists = new Map<SplitName, Promise<NativeFileList>>();
  #all: Split | undefined;
  #disposed = false;

  private constructor(content: DatasetContent, skipCorrupt: boolean) {
    const { train, val } = content;
    this.path = content.path;
    this.isFolder = content.isFolder;
    this.classes = content.classes;
    this.hasParts = content.hasParts;
    this.splits = {
      train: { name: 'train', files: train.files, counts: train.counts },
      val: { name: 'val', files: val.files, counts: val.counts },
    };
    this.skipped = content.skipped;
    this.notes = content.notes;
    this.#skipCorrupt = skipCorrupt;
    this.#sizes = { train: train.sizes, val: val.sizes };
    this.#source = content.source;
  }

  /**
   * The data set of what a source lists, whose store becomes its own.
   *
   * @throws ResnetTorchError `ERR_DATASET`, `ERR_IMAGE_DECODE`
   * @internal
   */
  static async of(listing: Listing, settings: SetSettings, scan: ScanOptions, turns: Turns): Promise<Dataset> {
    return new Dataset(await readListing(listing, settings, scan, turns), settings.skipCorrupt);
  }

  /**
   * Of each file of a split: width and height as displayed, pixels, and 1 where it is a JPEG.
   *
   * @internal
   */
  imageSizes(name: 'train' | 'val'): Int32Array {
    return this.#sizes[name];
  }

  /** `all` is the training files and then the held-back ones. */
  split(name: SplitName): Split {
    if (name !== 'all') return this.splits[name];
    const { train, val } = this.splits;
    this.#all ??= {
      name: 'all',
      files: train.files.concat(val.files),
      counts: train.counts.map((count, label) => count + (val.counts[label] ?? 0)),
    };
    return this.#all;
  }

  /**
   * One pass over a split by the native loader, decoding ahead on its own threads: what `train()` is fed with. Batches
   * of `split: 'train'` come in random order. Each call is a new pass.
   *
   * @throws ResnetTorchError at the first batch: `ERR_INVALID_ARGUMENT`, `ERR_IMAGE_DECODE`, `ERR_DISPOSED`, or
   *   `ERR_DATASET` when the split is empty
   */
  batches(options: BatchOptions & { readonly format: 'float32' }): AsyncGenerator<NormalisedBatch, void, undefined>;
  batches(options?: BatchOptions & { readonly format?: 'uint8' }): AsyncGenerator<PixelBatch, void, undefined>;
  batches(options?: BatchOptions): AsyncGenerator<Batch, void, undefined>;
  batches(options: BatchOptions = {}): AsyncGenerator<Batch, void, undefined> {
    const plan = planBatches(options, this.#skipCorrupt);
    this.#checkSplit(plan.split);
    return iterateBatches(plan, () => this.#ownList(plan.split));
  }

  /** The native list of a split, made once and let go of with the data set. */
  async #ownList(name: SplitName): Promise<NativeFileList> {
    const { files } = this.#checkSplit(name);
    const known = this.#lists.get(name);
    if (known !== undefined) return known;
    const list = makeFileList(files, ({ label }) => label, this.#source, name);
    this.#lists.set(name, list);
    list.catch(() => this.#lists.delete(name));
    return list;
  }

  /**
   * A native list of a split whose labels are positions in the classes of a model, matched by name. The caller lets go of
   * it.
   *
   * @throws ResnetTorchError `ERR_DATASET` when the model lacks a class
   * @internal
   */
  async fileListFor(name: SplitName, classes: readonly string[]): Promise<NativeFileList> {
    const { files } = this.#checkSplit(name);
    this.refuseUnknown(name, classes);
    const position = new Map(classes.map((className, index) => [className, index]));
    return makeFileList(files, ({ label }) => position.get(this.classes[label] ?? '') ?? -1, this.#source, name);
  }

  /**
   * What the images of a split are, for a model with outputs of these classes.
   *
   * @internal
   */
  truthFor(name: SplitName, outputs: readonly string[]): Truth {
    const { files } = this.split(name);
    const position = new Map(this.classes.map((className, index) => [className, index]));
    return {
      labelOf: (index) => files[index]?.label ?? -1,
      classes: this.classes.length,
      classOfOutput: outputs.map((className) => position.get(className) ?? -1),
    };
  }

  /**
   * @throws ResnetTorchError `ERR_DATASET` when a model with these classes cannot be asked about a split
   * @internal
   */
  refuseUnknown(name: SplitName, classes: readonly string[]): void {
    const { counts } = this.split(name);
    const known = new Set(classes);
    const missing = this.classes.filter((className, label) => !known.has(className) && (counts[label] ?? 0) > 0);
    if (missing.length === 0) return;
    throw datasetError(
      `${this.path} holds ${missing.length === 1 ? 'a class' : 'classes'} that the model does not know: ` +
        `${quoted(missing)}. It knows ${quoted(classes)}.`,
    );
  }

  /** Lets go of the native lists. Passes that are under way go on; new ones are refused with `ERR_DISPOSED`. */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const list of this.#lists.values()) list.then((made) => made.dispose()).catch(() => undefined);
    this.#lists.clear();
    this.#source?.list.dispose();
  }

  /** `dispose()`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal @throws ResnetTorchError `ERR_DISPOSED` */
  requireOpen(): void {
    if (this.#disposed) throw new ResnetTorchError('ERR_DISPOSED', `The data set ${this.path} was disposed of.`);
  }

  /** @throws ResnetTorchError `ERR_DISPOSED`, or `ERR_DATASET` when the split is empty */
  #checkSplit(name: SplitName): Split {
    this.requireOpen();
    const split = this.split(name);
    if (split.files.length === 0) throw datasetError(this.#emptySplit(name));
    return split;
  }

  #emptySplit(name: SplitName): string {
    if (name === 'val') {
      return `${this.path} has nothing to evaluate on: add images for val, or hold a share back with --val-split 0.2 (valSplit).`;
    }
    return `${this.path} has no images for ${name}.`;
  }
}

/**
 * Opens labelled images: a folder with `train/` and `val/`, each with a folder a class; one folder of class folders, of which a
 * share is held back; or a list, a `.csv` file with the columns `path`, `label` and perhaps `split`, or a `.jsonl` file with an
 * object of these a line, whose paths are relative to its folder. Finds classes and splits, then reads every header, and looks
 * for the end marker of every JPEG, on native threads.
 *
 * @throws ResnetTorchError `ERR_DATASET` for what is wrong with the list, naming the line, or with the folders (none there, no class folders, one class
 *   only, an empty class folder, one image of a class that cannot be divided, parts that are taken for classes, a class
 *   in `val/` that `train/` lacks); `ERR_IMAGE_DECODE` for a file that is empty, no image or truncated, unless
 *   `skipCorrupt`; `ERR_INVALID_ARGUMENT` for wrong options
 */
export async function openDataset(path: string, options: DatasetOptions = {}): Promise<Dataset> {
  checkOptions(options, DATASET_OPTIONS, 'openDataset()');
  const settings = resolveSetOptions(options);
  options.signal?.throwIfAborted();

  const turns = new Turns();
  const source = await sourceOf(path);
  const { workers, signal, onProgress } = options;
  const listing = await source.list(path, { forTraining: settings.forTraining, signal, turns });
  return Dataset.of(listing, settings, { workers, signal, onProgress }, turns);
}
