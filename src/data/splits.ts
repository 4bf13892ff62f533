import { datasetError } from './dataset-error.js';
import { type ClassNames, type Fold, stratifiedFolds } from './folds.js';
import { shuffled } from './shuffled.js';
import type { LabelledFile, ListedPart, Listing } from './sources/listing.js';
import { Turns } from './turns.js';

/** What is held back where nothing is laid out to evaluate on. */
export interface HoldBack {
  /** Share of each class, 0 to 0.9. */
  readonly valSplit: number;
  /** A fold in place of a share. */
  readonly fold: Fold | null;
  readonly seed: number;
}

/**
 * The parts of a listing as they were laid out, or with some images of each class held back.
 *
 * @throws ResnetTorchError `ERR_DATASET` for a fold of what has parts, or one that has no image
 */
export async function divide(
  { path, classes, train, val, keyOf }: Pick<Listing, 'path' | 'classes' | 'train' | 'val' | 'keyOf'>,
  { valSplit, fold, seed }: HoldBack,
  turns: Turns,
): Promise<Readonly<Record<'train' | 'val', ListedPart>>> {
  if (val !== null) {
    if (fold === null) return { train, val };
    throw datasetError(
      `${path} says itself what is evaluated on, so no fold can be held back. Leave fold out, or the part for validation.`,
    );
  }
  const named = await namesOf(train, classes, keyOf, turns);
  const held = fold === null ? await shares(named, valSplit, seed, turns) : await isInFold(named, fold, seed, turns);
  const parts = { train: new PartBuilder(train), val: new PartBuilder(train) };
  let at = 0;
  for (const [label, { names }] of named.entries()) {
    for (let i = 0; i < names.length; i++) {
      (held[label]?.(i) === true ? parts.val : parts.train).take(at++);
      if (turns.due()) await turns.next();
    }
  }
  if (fold !== null && parts.val.part.files.length === 0) {
    throw datasetError(
      `${path} has ${train.files.length} images, too few for ${fold.of} folds: fold ${fold.index} has none.`,
    );
  }
  return { train: parts.train.part, val: parts.val.part };
}

/** Whether an image of a class, by its position in it, is held back. */
type IsHeld = (position: number) => boolean;

async function shares(
  classes: readonly ClassNames[],
  valSplit: number,
  seed: number,
  turns: Turns,
): Promise<readonly IsHeld[]> {
  const held: IsHeld[] = [];
  for (const { className, names } of classes) {
    const positions = await heldBack(className, names, valSplit, seed, turns);
    held.push((position) => positions.has(position));
  }
  return held;
}

async function isInFold(
  classes: readonly ClassNames[],
  { of, index }: Fold,
  seed: number,
  turns: Turns,
): Promise<readonly IsHeld[]> {
  const folds = await stratifiedFolds(classes, of, seed, turns);
  return folds.map((own) => (position) => own[position] === index);
}

/** Names of the images of each class, which follow each other in a part. */
async function namesOf(
  { files }: ListedPart,
  classes: readonly string[],
  keyOf: Listing['keyOf'],
  turns: Turns,
): Promise<readonly ClassNames[]> {
  const named = classes.map((className) => ({ className, names: [] as string[] }));
  for (const file of files) {
    named[file.label]?.names.push(keyOf(file));
    if (turns.due()) await turns.next();
  }
  return named;
}

/** Some of the images of a part, in their order. */
class PartBuilder {
  readonly #from: ListedPart;
  readonly #files: LabelledFile[] = [];
  readonly #positions: Int32Array | null;

  constructor(from: ListedPart) {
    this.#from = from;
    this.#positions = from.positions === null ? null : new Int32Array(from.files.length);
  }

  take(index: number): void {
    const file = this.#from.files[index];
    if (file === undefined) return;
    if (this.#positions !== null) this.#positions[this.#files.length] = this.#from.positions?.[index] ?? 0;
    this.#files.push(file);
  }

  get part(): ListedPart {
    return { files: this.#files, positions: this.#positions?.subarray(0, this.#files.length) ?? null };
  }
}

/**
 * Chooses what is held back of a class: the `share` of its images with the smallest keys, a key being a hash of the seed,
 * the class and the image's name below it. So the choice depends on these alone, and images that are added later do not turn
 * the others around. Of two images or more, at least one is on each side.
 *
 * @param names below the class; of equal ones the first comes first
 * @param share 0 ≤ share < 1
 * @returns positions among the names
 */
export async function heldBack(
  className: string,
  names: readonly string[],
  share: number,
  seed: number,
  turns: Turns = new Turns(),
): Promise<ReadonlySet<number>> {
  const held = new Set<number>();
  const count = heldBackCount(names.length, share);
  if (count === 0) return held;
  for (const position of await shuffled(className, names, seed, turns)) {
    if (held.size === count) break;
    held.add(position);
    if (turns.due()) await turns.next();
  }
  return held;
}

function heldBackCount(images: number, share: number): number {
  if (share === 0 || images < 2) return 0;
  return Math.min(Math.max(Math.round(images * share), 1), images - 1);
}
