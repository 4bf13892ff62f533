import { tmpdir } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { NativeFileList } from '../native/binding.js';
import { checkOptions, describe, invalidArgument, requireOneOf } from '../options.js';
import { findCorrupt, scanFiles } from './check.js';
import { Dataset, type LabelledFile, sizesOf } from './dataset.js';
import { datasetError } from './folder.js';
import { type ImageInput, toNativeImage } from './image-input.js';
import { compareCodePoints } from './order.js';
import { resolveSetOptions, type SetSettings } from './set-options.js';
import { heldBack } from './split.js';
import { Spool } from './spool.js';

/** An image with its class, from wherever images are kept. */
export interface LabelledImage {
  /** Encoded bytes, a stream of them, or pixels with their shape. */
  readonly image: Exclude<ImageInput, string>;
  /** A class by name, or by its position in `classes`. */
  readonly label: string | number;
  /** Where the image belongs. Where no image says so, a share is held back for evaluation. */
  readonly split?: 'train' | 'val';
  /** What the image is called in messages and results; all must differ. Default `image N`, counted from 0. */
  readonly name?: string;
}

/** Labelled images as they come, such as an async generator over a database's rows. */
export type LabelledImages = AsyncIterable<LabelledImage> | Iterable<LabelledImage>;

/** How images become a data set. */
export interface CollectOptions {
  /** Class names in the order of their labels. Default: the labels' names, sorted as strings. */
  readonly classes?: readonly string[];
  /** Share of each class to hold back for evaluation, 0 to 0.9, where no image has a split. Default 0.2. */
  readonly valSplit?: number;
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
  'seed',
  'skipCorrupt',
  'purpose',
  'workers',
  'directory',
  'name',
  'onProgress',
  'signal',
] as const satisfies readonly (keyof CollectOptions)[];

const IMAGE_KEYS = ['image', 'label', 'split', 'name'] as const satisfies readonly (keyof LabelledImage)[];
const MOST_BYTES = 2 ** 31;

interface Settings extends SetSettings {
  readonly path: string;
}

/** What was taken of an image, beside its bytes. */
interface Taken {
  readonly name: string;
  readonly label: string | number;
  readonly split: 'train' | 'val' | undefined;
}

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
  const settings: Settings = { ...resolveSetOptions(options), path: options.name ?? '(given as data)' };
  const spool = await Spool.create(options.directory ?? tmpdir());
  let list: NativeFileList;
  let taken: readonly Taken[];
  try {
    taken = await take(images, spool, options);
    list = spool.list(taken.map(({ name }) => name));
  } finally {
    await spool.close();
  }
  try {
    return await arrange(list, taken, options, settings);
  } catch (error) {
    list.dispose();
    throw error;
  }
}

async function take(images: LabelledImages, spool: Spool, { signal, onProgress }: CollectOptions): Promise<Taken[]> {
  const taken: Taken[] = [];
  const names = new Set<string>();
  signal?.throwIfAborted();
  for await (const item of images) {
    signal?.throwIfAborted();
    checkOptions(item, IMAGE_KEYS, `image ${taken.length}`);
    const { image, label, split, name = `image ${taken.length}` } = item;
    if (typeof name !== 'string' || names.has(name)) {
      throw datasetError(`Two images are called ${describe(name)}. Give each a name of its own, or none.`);
    }
    if (split !== undefined) requireOneOf(split, `split of ${name}`, ['train', 'val']);
    const bytes = await toNativeImage(image, name, MOST_BYTES, signal);
    if (typeof bytes === 'string') {
      throw invalidArgument(
        `${name} is a path. Give its bytes, or a stream of them, or open the folder with openDataset().`,
      );
    }
    await spool.add(bytes);
    names.add(name);
    taken.push({ name, label, split });
    onProgress?.(taken.length);
  }
  if (taken.length === 0) throw datasetError('There are no images: the iterable gave none.');
  return taken;
}

async function arrange(
  list: NativeFileList,
  taken: readonly Taken[],
  options: CollectOptions,
  settings: Settings,
): Promise<Dataset> {
  const classes = classesOf(taken, options.classes);
  if (settings.forTraining && classes.length < 2) {
    throw datasetError(`${settings.path} has one class only, ${classes[0]}. A classifier needs at least two classes.`);
  }
  const labels = labelsOf(taken, classes);
  const names = taken.map(({ name }) => name);
  const { workers, signal } = options;
  const scanned = await scanFiles(names, { workers, signal }, list);
  const corrupt = findCorrupt(names, scanned, settings.skipCorrupt);
  const broken = new Set(corrupt.map(({ path }) => path));
  const hasParts = taken.some(({ split }) => split === 'val');
  const held = hasParts ? null : await chooseHeldBack(names, labels, classes, settings);
  const position = new Map(names.map((name, index) => [name, index]));
  const part = (inVal: boolean): readonly LabelledFile[] =>
    classes.flatMap((_, label) =>
      names.flatMap((path, index) => {
        const isVal = held === null ? taken[index]?.split === 'val' : held.has(path);
        return labels[index] === label && isVal === inVal && !broken.has(path) ? [{ path, label }] : [];
      }),
    );
  const [train, val] = [part(false), part(true)];
  const sizes = (files: readonly LabelledFile[]) =>
    sizesOf(files.flatMap(({ path }) => scanned[position.get(path) ?? -1] ?? []));
  const content = { path: settings.path, classes, hasParts, train, val, skipped: { ignored: [], corrupt } };
  const source = { list, position };
  return Dataset.of({ ...content, sizes: { train: sizes(train), val: sizes(val) }, source }, settings);
}

function classesOf(taken: readonly Taken[], given: readonly string[] | undefined): readonly string[] {
  if (given === undefined) {
    const numbered = taken.find(({ label }) => typeof label !== 'string');
    if (numbered === undefined) return [...new Set(taken.map(({ label }) => String(label)))].sort(compareCodePoints);
    throw invalidArgument(
      `The label of ${numbered.name} is ${describe(numbered.label)}: name the classes with classes.`,
    );
  }
  const known = new Set(given);
  if (!Array.isArray(given) || known.size !== given.length || given.some((name) => typeof name !== 'string')) {
    throw invalidArgument('classes must be an array of class names that differ.');
  }
  return given;
}

/** Positions in `classes`. */
function labelsOf(taken: readonly Taken[], classes: readonly string[]): Int32Array {
  const position = new Map(classes.map((name, index) => [name, index]));
  return Int32Array.from(taken, ({ name, label }) => {
    const index = typeof label === 'string' ? position.get(label) : label;
    if (index !== undefined && Number.isInteger(index) && index >= 0 && index < classes.length) return index;
    throw datasetError(
      `The label of ${name} is ${describe(label)}, which is none of the ${classes.length} classes. ` +
        'Labels are names of classes, or their positions from 0.',
    );
  });
}

async function chooseHeldBack(
  names: readonly string[],
  labels: Int32Array,
  classes: readonly string[],
  { valSplit, seed }: Settings,
): Promise<ReadonlySet<string>> {
  const held = new Set<string>();
  for (const [label, className] of classes.entries()) {
    const own = names.filter((_, index) => labels[index] === label);
    for (const name of heldBack(className, own, valSplit, seed)) held.add(name);
    await nextTurn();
  }
  return held;
}
