import type { NativeFileList } from '../../native/contract/data.js';
import { checkOptions, describe, invalidArgument, requireOneOf } from '../../options.js';
import { datasetError } from '../dataset-error.js';
import { type ImageInput, toNativeImage } from '../image-input.js';
import { compareCodePoints } from '../order.js';
import { sortInTurns, type Turns } from '../turns.js';
import type { LabelledFile, ListedPart, Listing, ListRequest } from './listing.js';
import { Spool } from './spool.js';

/** An image with its class, from wherever images are kept. */
export interface LabelledImage {
  /** Encoded bytes, a stream of them, or pixels with their shape. */
  readonly image: Exclude<ImageInput, string | URL>;
  /** A class by name, or by its position in `classes`. */
  readonly label: string | number;
  /** Where the image belongs. Where no image says so, a share is held back for evaluation. */
  readonly split?: 'train' | 'val';
  /** What the image is called in messages and results; all must differ. Default `image N`, counted from 0. */
  readonly name?: string;
}

/** Labelled images as they come, such as an async generator over a database's rows. */
export type LabelledImages = AsyncIterable<LabelledImage> | Iterable<LabelledImage>;

const IMAGE_KEYS = ['image', 'label', 'split', 'name'] as const satisfies readonly (keyof LabelledImage)[];
const MOST_BYTES = 2 ** 31;

/** What is asked of an iterable, beside what every source is asked. */
export interface TakeRequest extends ListRequest {
  /** What the data set is called. */
  readonly path: string;
  /** Class names in the order of their labels, if they are given. */
  readonly classes: readonly string[] | undefined;
  /** Folder of the temporary file. */
  readonly directory: string;
  readonly onProgress: ((taken: number) => void) | undefined;
}

/** What was taken of an image, beside its bytes. */
interface Taken {
  readonly name: string;
  readonly label: string | number;
  readonly split: 'train' | 'val' | undefined;
}

/**
 * Takes all images once, and keeps their bytes in a temporary file without a name. The caller disposes of the listing's
 * store.
 *
 * @throws ResnetTorchError `ERR_DATASET`, `ERR_FILE`, `ERR_INVALID_ARGUMENT`; whatever the iterable throws; the signal's
 *   reason
 */
export async function listIterable(images: LabelledImages, request: TakeRequest): Promise<Listing> {
  const spool = await Spool.create(request.directory);
  let store: NativeFileList;
  let taken: readonly Taken[];
  try {
    taken = await take(images, spool, request);
    store = await spool.list(taken, request.turns);
  } finally {
    await spool.close();
  }
  try {
    return await arrange(store, taken, request);
  } catch (error) {
    store.dispose();
    throw error;
  }
}

async function take(
  images: LabelledImages,
  spool: Spool,
  { signal, onProgress, turns }: TakeRequest,
): Promise<readonly Taken[]> {
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
    if (turns.due()) await turns.next();
  }
  if (taken.length === 0) throw datasetError('There are no images: the iterable gave none.');
  return taken;
}

async function arrange(store: NativeFileList, taken: readonly Taken[], request: TakeRequest): Promise<Listing> {
  const { path, forTraining, turns } = request;
  const classes = await classesOf(taken, request.classes, turns);
  if (forTraining && classes.length < 2) {
    throw datasetError(`${path} has one class only, ${classes[0]}. A classifier needs at least two classes.`);
  }
  const { byClass, hasParts } = await sortByClass(taken, classes, turns);
  const { train, val } = await separate(byClass, taken.length, turns);
  return {
    path,
    root: '',
    classes,
    train,
    val: hasParts ? val : null,
    keyOf: (file) => file.path,
    ignored: [],
    notes: [],
    store,
  };
}

async function classesOf(
  taken: readonly Taken[],
  given: readonly string[] | undefined,
  turns: Turns,
): Promise<readonly string[]> {
  if (given !== undefined) {
    const known = new Set(given);
    if (!Array.isArray(given) || known.size !== given.length || given.some((name) => typeof name !== 'string')) {
      throw invalidArgument('classes must be an array of class names that differ.');
    }
    return given;
  }
  const names = new Set<string>();
  for (const { name, label } of taken) {
    if (typeof label !== 'string') {
      throw invalidArgument(`The label of ${name} is ${describe(label)}: name the classes with classes.`);
    }
    names.add(label);
    if (turns.due()) await turns.next();
  }
  return sortInTurns([...names], compareCodePoints, turns);
}

/** An image of a class, and where it is in the store. */
interface Placed {
  readonly name: string;
  readonly position: number;
  readonly split: Taken['split'];
}

/** The images of each class, as they came. */
async function sortByClass(
  taken: readonly Taken[],
  classes: readonly string[],
  turns: Turns,
): Promise<{ readonly byClass: readonly (readonly Placed[])[]; readonly hasParts: boolean }> {
  const known = new Map(classes.map((name, index) => [name, index]));
  const byClass = classes.map((): Placed[] => []);
  let hasParts = false;
  for (const [position, { name, label, split }] of taken.entries()) {
    const images = byClass[(typeof label === 'string' ? known.get(label) : label) ?? -1];
    if (images === undefined) {
      throw datasetError(
        `The label of ${name} is ${describe(label)}, which is none of the ${classes.length} classes. ` +
          'Labels are names of classes, or their positions from 0.',
      );
    }
    images.push({ name, position, split });
    if (split === 'val') hasParts = true;
    if (turns.due()) await turns.next();
  }
  return { byClass, hasParts };
}

/** Images that say that they are for validation, and the others. */
async function separate(
  byClass: readonly (readonly Placed[])[],
  total: number,
  turns: Turns,
): Promise<Readonly<Record<'train' | 'val', ListedPart>>> {
  const part = () => ({ files: [] as LabelledFile[], positions: new Int32Array(total) });
  const parts = { train: part(), val: part() };
  for (const [label, images] of byClass.entries()) {
    for (const { name, position, split } of images) {
      const { files, positions } = split === 'val' ? parts.val : parts.train;
      positions[files.length] = position;
      files.push({ path: name, label });
      if (turns.due()) await turns.next();
    }
  }
  return parts;
}
