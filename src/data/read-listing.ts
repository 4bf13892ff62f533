import type { Note } from '../notes.js';
import type { ScanOptions } from './check.js';
import type { ImageStore } from './file-lists.js';
import { type Readable, readHeaders, refuseCorrupt } from './headers.js';
import { notesOnLeakage } from './leakage.js';
import { type ClassCounts, notesOnClasses, refuseUnlearnable } from './requirements.js';
import type { SetSettings } from './set-options.js';
import { describeSkipped, type Skipped } from './skipped.js';
import type { LabelledFile, ListedPart, Listing } from './sources/listing.js';
import { divide } from './splits.js';
import type { Turns } from './turns.js';

/** The readable images of a part, and what is known of them. */
export interface ReadPart {
  readonly files: readonly LabelledFile[];
  /** Images of each class. */
  readonly counts: readonly number[];
  /** Of each file: width and height as displayed, and 1 where it is a JPEG. */
  readonly sizes: Int32Array;
}

/** All that a data set is made of. */
export interface DatasetContent {
  readonly path: string;
  /** Whether that is a folder, and the images lie in it. */
  readonly isFolder: boolean;
  readonly classes: readonly string[];
  readonly hasParts: boolean;
  readonly train: ReadPart;
  readonly val: ReadPart;
  readonly skipped: Skipped;
  readonly notes: readonly Note[];
  /** Where the images are that have no files of their own; else null. */
  readonly source: ImageStore | null;
}

/**
 * Divides what a source lists, and takes a first look at every image.
 *
 * @throws ResnetTorchError `ERR_DATASET` where a class cannot be learned or measured, though it should be;
 *   `ERR_IMAGE_DECODE` for an image that cannot be read, unless it is to be left out
 */
export async function readListing(
  listing: Listing,
  settings: SetSettings,
  scan: ScanOptions,
  turns: Turns,
): Promise<DatasetContent> {
  const { path, root, classes, ignored, store } = listing;
  const hasParts = listing.val !== null;
  const parts = await divide(listing, settings, turns);
  const countsOf = async (train: readonly LabelledFile[], val: readonly LabelledFile[], hasBroken: boolean) => ({
    path,
    classes,
    hasParts,
    train: await countLabels(train, classes, turns),
    val: await countLabels(val, classes, turns),
    hasBroken,
  });
  // Before files are read, which may take long. Those of a store are at hand, and a broken one is told first.
  if (settings.forTraining && store === null) {
    refuseUnlearnable(await countsOf(parts.train.files, parts.val.files, false), settings.valSplit);
  }
  const { train, val } = await readBoth(parts, listing, scan, turns);
  const skipped = { ignored, corrupt: refuseCorrupt([...train.corrupt, ...val.corrupt], settings.skipCorrupt) };
  const counts: ClassCounts = await countsOf(train.files, val.files, skipped.corrupt.length > 0);
  if (settings.forTraining) refuseUnlearnable(counts, settings.valSplit);
  const isMeasured = hasParts || (settings.forTraining && (settings.valSplit > 0 || settings.fold !== null));
  const isDivided = hasParts || settings.holdsBack;
  const notes = [
    ...listing.notes,
    ...(isMeasured ? notesOnClasses(counts) : []),
    ...(isDivided ? await notesOnLeakage(train, val, root, turns) : []),
    ...(await describeSkipped(skipped, root, turns)),
  ];
  return {
    path,
    isFolder: root === path,
    classes,
    hasParts,
    train: { files: train.files, counts: counts.train, sizes: train.sizes },
    val: { files: val.files, counts: counts.val, sizes: val.sizes },
    skipped,
    notes,
    source: store === null ? null : { list: store, positions: { train: train.positions, val: val.positions } },
  };
}

async function readBoth(
  { train, val }: Readonly<Record<'train' | 'val', ListedPart>>,
  { store }: Listing,
  { onProgress, ...scan }: ScanOptions,
  turns: Turns,
): Promise<Readonly<Record<'train' | 'val', Readable>>> {
  const total = train.files.length + val.files.length;
  const read = (part: ListedPart, before: number): Promise<Readable> =>
    readHeaders(part, { ...scan, onProgress: (done) => onProgress?.(before + done, total) }, turns, store);
  return { train: await read(train, 0), val: await read(val, train.files.length) };
}

async function countLabels(
  files: readonly LabelledFile[],
  classes: readonly string[],
  turns: Turns,
): Promise<readonly number[]> {
  const counts = classes.map(() => 0);
  for (const { label } of files) {
    counts[label] = (counts[label] ?? 0) + 1;
    if (turns.due()) await turns.next();
  }
  return counts;
}
