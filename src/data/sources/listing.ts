import type { NativeFileList } from '../../native/contract/data.js';
import type { Note } from '../../notes.js';
import type { IgnoredFile } from '../image-tree.js';
import type { Turns } from '../turns.js';

/** An image of a data set and its class. */
export interface LabelledFile {
  /** Its path, or its name where it has no file of its own. */
  readonly path: string;
  /** Position of its class in the data set's `classes`. */
  readonly label: number;
}

/** Images of one part, class by class. */
export interface ListedPart {
  readonly files: readonly LabelledFile[];
  /** Of each, in the listing's store; null where every image is a file of its own. */
  readonly positions: Int32Array | null;
}

/** What a source holds, before any image is opened: the one form that all sources come to. */
export interface Listing {
  /** What the data set is called in messages. */
  readonly path: string;
  /** The folder that names in notes are relative to. */
  readonly root: string;
  /** Class names in the order of their labels. */
  readonly classes: readonly string[];
  readonly train: ListedPart;
  /** Null where nothing is laid out to evaluate on, so that a share of `train` may be held back. */
  readonly val: ListedPart | null;
  /** Names an image below its class, by which it is chosen what is held back; the same wherever the data lies. */
  keyOf(file: LabelledFile): string;
  readonly ignored: readonly IgnoredFile[];
  readonly notes: readonly Note[];
  /** Images that have no files of their own: file, offset and length of each. */
  readonly store: NativeFileList | null;
}

/** What is asked of a source. */
export interface ListRequest {
  /** There must be images to train on, and two classes. */
  readonly forTraining: boolean;
  readonly signal: AbortSignal | undefined;
  readonly turns: Turns;
}

/** A kind of place that images and labels are read from by its path. */
export interface Source {
  readonly name: string;
  /** Whether it reads what is there. */
  opens(path: string, isFolder: boolean): boolean;
  /** @throws ResnetTorchError `ERR_DATASET` for what is wrong with what it reads */
  list(path: string, request: ListRequest): Promise<Listing>;
}
