import { tmpdir } from 'node:os';
import { checkOptions } from '../options.js';
import { Dataset } from './dataset.js';
import type { Fold } from './folds.js';
import { resolveSetOptions } from './set-options.js';
import { type LabelledImages, listIterable } from './sources/iterable.js';
import { Turns } from './turns.js';

export type { LabelledImage, LabelledImages } from './sources/iterable.js';

/** How images become a data set. */
export interface CollectOptions {
  /** Class names in the order of their labels. Default: the labels' names, sorted as strings. */
  readonly classes?: readonly string[];
  /** Share of each class to hold back for evaluation, 0 to 0.9, where no image has a split. Default 0.2. */
  readonly valSplit?: number;
  /**
   * Hold back one of k stratified folds in place of a share: for a cross-validation, `{ of: 5, index: 0 }` to
   * `{ of: 5, index: 4 }` with the same seed. Every image is in one of them.
   */
  readonly fold?: Fold;
  /** Addresses the choice of what is held back. Default 0. */
  readonly seed?: number;
  /** Leave out images that cannot be read, and list them in `skipped`, instead of failing. Default false. */
  readonly skipCorrupt?: boolean;
  /**
   * `train`: every class must have an image to train on, and there must be two. `evaluate`: any labelled images will do.
   * Default `train`.
   */
  readonly purpose?: 'train' | 'evaluate';
  /** Threads that read headers. Default: as many as there are cores. */
  readonly workers?: number;
  /** Folder of the temporary file in which the images are kept. Default: the system's. */
  readonly directory?: string;
  /** What the data set is called in messages. Default `(given as data)`. */
  readonly name?: string;
  /** Hears of images that were taken. */
  readonly onProgress?: (taken: number) => void;
  readonly signal?: AbortSignal;
}

const COLLECT_OPTIONS = [
  'classes',
  'valSplit',
  'fold',
  'seed',
  'skipCorrupt',
  'purpose',
  'workers',
  'directory',
  'name',
  'onProgress',
  'signal',
] as const satisfies readonly (keyof CollectOptions)[];

/**
 * A data set of images that do not lie in folders: from an object store, a database, a generator. Takes all images once,
 * and keeps their bytes in a temporary file without a name, so that epochs are shuffled, decoded, augmented and cached as
 * those of a folder are, with the same results. The file is gone when the data set and its runs are.
 *
 * @throws ResnetTorchError `ERR_DATASET` for no images, an unknown class, one class only or a name that is there twice;
 *   `ERR_IMAGE_DECODE` for an image that cannot be read, unless `skipCorrupt`; `ERR_FILE` when the temporary file cannot
 *   be written; `ERR_INVALID_ARGUMENT`; whatever the iterable throws; the signal's reason when it is aborted
 */
export async function collectDataset(images: LabelledImages, options: CollectOptions = {}): Promise<Dataset> {
  checkOptions(options, COLLECT_OPTIONS, 'collectDataset()');
  const settings = resolveSetOptions(options);
  const turns = new Turns();
  const listing = await listIterable(images, {
    path: options.name ?? '(given as data)',
    forTraining: settings.forTraining,
    classes: options.classes,
    directory: options.directory ?? tmpdir(),
    onProgress: options.onProgress,
    signal: options.signal,
    turns,
  });
  try {
    const { workers, signal } = options;
    return await Dataset.of(listing, settings, { workers, signal }, turns);
  } catch (error) {
    listing.store?.dispose();
    throw error;
  }
}
