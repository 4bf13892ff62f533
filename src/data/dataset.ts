import { ResnetTorchError } from '../errors.js';
import type { NativeFileList, ScannedImage } from '../native/binding.js';
import { native } from '../native/load.js';
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
import { type CorruptFile, findCorrupt, scanFiles } from './check.js';
import { datasetError } from './folder.js';
import { type FilesByClass, type Parts, quoted, readParts, refuseUntrainable } from './parts.js';
import { resolveSetOptions } from './set-options.js';
import { describeSkipped, type Skipped } from './skipped.js';

export type {
  Batch,
  BatchOptions,
  NormalisedBatch,
  PixelBatch,
  SplitName,
} from './batches.js';
export type { CorruptFile } from './check.js';
export type { IgnoredFile } from './folder.js';
export type { Skipped } from './skipped.js';

/** How a data set is read and divided. */
export interface DatasetOptions {
  /**
   * Share of each class to hold back for evaluation, 0 to 0.9, where the folder has no part for it. Default 0.2; 0 holds
   * nothing back.
   */
  readonly valSplit?: number;
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

/** An image of a data set and its class. */
export interface LabelledFile {
  readonly path: string;
  /** Position of its class in the data set's `classes`. */
  readonly label: number;
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
  'seed',
  'skipCorrupt',
  'purpose',
  'workers',
  'onProgress',
  'signal',
] as const satisfies readonly (keyof DatasetOptions)[];

/**
 * Labelled images in folders. Either `train/` and `val/` (or `valid/`, `test/`), each with a folder a class, or one
 * folder of class folders, of which a share is held back. Made by `openDataset`.
 */
export class Dataset {
  readonly path: string;
  /** Class names in the order of their labels: sorted as strings, by code points, as in torchvision's ImageFolder. */
  readonly classes: readonly string[];
  readonly splits: Readonly<Record<'train' | 'val', Split>>;
  /** Whether the folder itself has a part to evaluate on: `val/`, `valid/` or `test/`. */
  readonly hasParts: boolean;
  /** What lies in the folder and is not used: files that are not read by their name, and broken ones. */
  readonly skipped: Skipped;
  /** The same in sentences for a person; empty where all is used. */
  readonly notes: readonly string[];
  readonly #skipCorrupt: boolean;
  readonly #sizes: DatasetContent['sizes'];
  readonly #source: ImageStore | null;
  readonly #lists = new Map<SplitName, NativeFileList>();
  #all: Split | undefined;
  #disposed = false;

  private constructor(content: DatasetContent, skipCorrupt: boolean) {
    this.path = content.path;
    this.classes = content.classes;
    this.hasParts = content.hasParts;
    this.splits = {
      train: makeSplit('train', content),
      val: makeSplit('val', content),
    };
    this.skipped = content.skipped;
    this.notes = describeSkipped(content.skipped, content.path);
    this.#skipCorrupt = skipCorrupt;
    this.#sizes = content.sizes;
    this.#source = content.source ?? null;
  }

  /**
   * @throws ResnetTorchError `ERR_DATASET` where there is nothing to train on, though there should be
   * @internal
   */
  static of(
    content: DatasetContent,
    { skipCorrupt, forTraining }: { skipCorrupt: boolean; forTraining: boolean },
  ): Dataset {
    if (forTraining) refuseEmptied(content);
    return new Dataset(content, skipCorrupt);
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
      files: [...train.files, ...val.files],
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
    return iterateBatches(plan, this.fileList(plan.split));
  }

  /**
   * The native list of a split, made once and let go of with the data set.
   *
   * @throws ResnetTorchError `ERR_DISPOSED`, or `ERR_DATASET` when the split is empty
   * @internal
   */
  fileList(name: SplitName): NativeFileList {
    this.#refuseDisposed();
    const known = this.#lists.get(name);
    if (known !== undefined) return known;
    const { files } = this.split(name);
    if (files.length === 0) throw datasetError(this.#emptySplit(name));
    const list = this.#makeList(
      files,
      Int32Array.from(files, ({ label }) => label),
    );
    this.#lists.set(name, list);
    return list;
  }

  /**
   * A native list of a split whose labels are positions in the classes of a model, matched by name. The caller lets go of
   * it.
   *
   * @throws ResnetTorchError `ERR_DATASET` when the model lacks a class
   * @internal
   */
  fileListFor(name: SplitName, classes: readonly string[]): NativeFileList {
    this.#refuseDisposed();
    const { files, counts } = this.split(name);
    if (files.length === 0) throw datasetError(this.#emptySplit(name));
    const position = new Map(classes.map((className, index) => [className, index]));
    const missing = this.classes.filter((className, label) => !position.has(className) && (counts[label] ?? 0) > 0);
    if (missing.length > 0) {
      throw datasetError(
        `${this.path} holds ${missing.length === 1 ? 'a class' : 'classes'} that the model does not know: ` +
          `${quoted(missing)}. It knows ${quoted(classes)}.`,
      );
    }
    return this.#makeList(
      files,
      Int32Array.from(files, ({ label }) => position.get(this.classes[label] ?? '') ?? -1),
    );
  }

  #makeList(files: readonly LabelledFile[], labels: Int32Array): NativeFileList {
    const paths = files.map(({ path }) => path);
    if (this.#source === null) return new (native().FileList)(paths, labels);
    const { list, position } = this.#source;
    return list.pick(
      Int32Array.from(paths, (path) => position.get(path) ?? -1),
      labels,
    );
  }

  /** Lets go of the native lists. Passes that are under way go on; new ones are refused with `ERR_DISPOSED`. */
  dispose(): void {
    this.#disposed = true;
    for (const list of this.#lists.values()) list.dispose();
    this.#lists.clear();
    this.#source?.list.dispose();
  }

  /** `dispose()`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  #refuseDisposed(): void {
    if (this.#disposed) throw new ResnetTorchError('ERR_DISPOSED', `The data set ${this.path} was disposed of.`);
  }

  #emptySplit(name: SplitName): string {
    if (name === 'val') {
      return `${this.path} has nothing to evaluate on: add a val/ folder, or hold a share back with --val-split 0.2 (valSplit).`;
    }
    return `${this.path} has no images for ${name}.`;
  }
}

/**
 * Opens a folder of labelled images: finds classes and splits, then reads every header, and looks for the end marker of
 * every JPEG, on native threads.
 *
 * @throws ResnetTorchError `ERR_DATASET` for what is wrong with the folders (none there, no class folders, one class
 *   only, an empty class folder, a class in `val/` that `train/` lacks); `ERR_IMAGE_DECODE` for a file that is empty, no
 *   image or truncated, unless `skipCorrupt`; `ERR_INVALID_ARGUMENT` for wrong options
 */
export async function openDataset(path: string, options: DatasetOptions = {}): Promise<Dataset> {
  checkOptions(options, DATASET_OPTIONS, 'openDataset()');
  const { valSplit, seed, skipCorrupt, forTraining } = resolveSetOptions(options);
  options.signal?.throwIfAborted();

  const parts = await readParts(path, { valSplit, seed });
  if (forTraining) refuseUntrainable(path, parts);
  const listed = listFiles(parts);
  const paths = [...listed.train, ...listed.val].map((file) => file.path);
  const scanned = await scanFiles(paths, options);
  const corrupt = findCorrupt(paths, scanned, skipCorrupt);
  const content: DatasetContent = {
    path,
    classes: parts.classes,
    hasParts: parts.hasParts,
    ...withoutCorrupt(listed, corrupt),
    sizes: {
      train: sizesOf(scanned.slice(0, listed.train.length)),
      val: sizesOf(scanned.slice(listed.train.length)),
    },
    skipped: { ignored: parts.ignored, corrupt },
  };
  return Dataset.of(content, { skipCorrupt, forTraining });
}

/** Images that have no files of their own. */
export interface ImageStore {
  readonly list: NativeFileList;
  /** In the list, by name. */
  readonly position: ReadonlyMap<string, number>;
}

/** All that a data set is made of. */
export interface DatasetContent extends ListedFiles {
  readonly path: string;
  readonly classes: readonly string[];
  readonly hasParts: boolean;
  readonly skipped: Skipped;
  readonly sizes: Readonly<Record<'train' | 'val', Int32Array>>;
  /** Where the images are that the files are but names of; else they are paths. */
  readonly source?: ImageStore;
}

interface ListedFiles {
  readonly train: readonly LabelledFile[];
  readonly val: readonly LabelledFile[];
}

/** Files with the positions of their classes, class by class. */
function listFiles({ classes, train, val }: Parts): ListedFiles {
  const label = (files: FilesByClass): LabelledFile[] =>
    classes.flatMap((name, position) => (files.get(name) ?? []).map((path) => ({ path, label: position })));
  return { train: label(train), val: label(val) };
}

function withoutCorrupt({ train, val }: ListedFiles, corrupt: readonly CorruptFile[]): ListedFiles {
  const broken = new Set(corrupt.map(({ path }) => path));
  const keep = ({ path }: LabelledFile): boolean => !broken.has(path);
  return { train: train.filter(keep), val: val.filter(keep) };
}

/** Of the files that can be read. */
export function sizesOf(scanned: readonly ScannedImage[]): Int32Array {
  return Int32Array.from(
    scanned.filter(({ ok }) => ok).flatMap(({ width, height, format }) => [width, height, format === 'jpeg' ? 1 : 0]),
  );
}

function makeSplit(name: 'train' | 'val', content: DatasetContent): Split {
  const counts = content.classes.map(() => 0);
  for (const { label } of content[name]) counts[label] = (counts[label] ?? 0) + 1;
  return { name, files: content[name], counts };
}

/** A class without training images, since every one is broken or there never was one, cannot be learned. */
function refuseEmptied(content: DatasetContent): void {
  const { counts } = makeSplit('train', content);
  const emptied = content.classes.filter((_, label) => counts[label] === 0);
  if (emptied.length === 0) return;
  throw datasetError(
    content.skipped.corrupt.length > 0
      ? `Every training image of ${quoted(emptied)} in ${content.path} is broken, so none is left to train on. ` +
          'Replace the files or remove the class.'
      : `${content.path} has no training image of ${quoted(emptied)}. Add some, or leave the class out.`,
  );
}
