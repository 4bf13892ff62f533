import { join, relative } from 'node:path';
import { datasetError } from '../../dataset-error.js';
import { type IgnoredFile, ignoredFile, readFolder } from '../../image-tree.js';
import { quoted } from '../../quoted.js';
import type { Turns } from '../../turns.js';
import type { LabelledFile, Listing, ListRequest, Source } from '../listing.js';
import { type ClassFolders, readClassFolders } from './class-folders.js';
import { findLayout } from './layout.js';

/** A folder of class folders, or one with `train/` and `val/`, each with a folder a class. */
export const folder: Source = { name: 'folder', opens: () => true, list: listFolder };

/** By class name, paths of its images. */
type FilesByClass = ReadonlyMap<string, readonly string[]>;

/** What a data folder holds, before any file is opened. */
interface Parts {
  readonly train: FilesByClass;
  /** Null where there is no folder to evaluate on. */
  readonly val: FilesByClass | null;
  /** The class folders that name the classes, and the folder that they lie in. */
  readonly named: ClassFolders;
  readonly classesPath: string;
  readonly hasTrain: boolean;
  readonly ignored: readonly IgnoredFile[];
}

const NOTHING: FilesByClass = new Map();

async function listFolder(path: string, { forTraining, turns }: ListRequest): Promise<Listing> {
  const { folders, files } = await readFolder(path, turns);
  const layout = await findLayout(path, folders, turns);
  const parts = await readParts(path, layout.train, layout.val, turns);
  if (forTraining) refuseUntrainable(path, parts);
  const classes = [...parts.named.classes.keys()];
  // Beside the parts nothing is read; beside class folders the class folders' own reader has seen to it.
  const hasParts = layout.train !== null || layout.val !== null;
  const loose = hasParts ? await ignoredOf(path, files, turns) : [];
  return {
    path,
    root: path,
    classes,
    train: { files: await label(parts.train, classes, turns), positions: null },
    val: parts.val === null ? null : { files: await label(parts.val, classes, turns), positions: null },
    keyOf: (file) => relative(join(parts.classesPath, classes[file.label] ?? ''), file.path).replaceAll('\\', '/'),
    ignored: await joined([loose, parts.ignored], turns),
    notes: layout.notes,
    store: null,
  };
}

async function ignoredOf(path: string, files: readonly string[], turns: Turns): Promise<readonly IgnoredFile[]> {
  const ignored: IgnoredFile[] = [];
  for (const name of files) {
    ignored.push(ignoredFile(path, name));
    if (turns.due()) await turns.next();
  }
  return ignored;
}

/** Files with the positions of their classes, class by class. */
async function label(files: FilesByClass, classes: readonly string[], turns: Turns): Promise<readonly LabelledFile[]> {
  const labelled: LabelledFile[] = [];
  for (const [position, name] of classes.entries()) {
    for (const path of files.get(name) ?? []) {
      labelled.push({ path, label: position });
      if (turns.due()) await turns.next();
    }
  }
  return labelled;
}

/** @param train and `val` the names of these folders, null where they are not there: without both, the classes lie in `path` */
async function readParts(path: string, train: string | null, val: string | null, turns: Turns): Promise<Parts> {
  if (train !== null && val !== null) return readBoth(join(path, train), join(path, val), turns);
  const classesPath = join(path, train ?? val ?? '');
  const named = await readClassFolders(classesPath, turns);
  const { classes, ignored } = named;
  return val === null
    ? { train: classes, val: null, named, classesPath, hasTrain: true, ignored }
    : { train: NOTHING, val: classes, named, classesPath, hasTrain: false, ignored };
}

async function readBoth(trainPath: string, valPath: string, turns: Turns): Promise<Parts> {
  const train = await readClassFolders(trainPath, turns);
  const val = await readClassFolders(valPath, turns);
  const unknown = [...val.classes.keys()].filter((name) => !train.classes.has(name));
  if (unknown.length === val.classes.size) {
    throw datasetError(
      `${trainPath} and ${valPath} have no class in common: ${quoted([...train.classes.keys()])} against ${quoted(unknown)}. ` +
        'Labels are matched by name: give the folders of a class the same name in both.',
    );
  }
  if (unknown.length > 0) {
    throw datasetError(
      `${valPath} holds ${unknown.length === 1 ? 'a class' : 'classes'} that ${trainPath} lacks: ${quoted(unknown)}. ` +
        'Labels are matched by name: rename the folder, remove it, or add training images of the class.',
    );
  }
  const ignored = await joined([train.ignored, val.ignored], turns);
  return { train: train.classes, val: val.classes, named: train, classesPath: trainPath, hasTrain: true, ignored };
}

/**
 * What an evaluation may lack and a training may not.
 *
 * @throws ResnetTorchError `ERR_DATASET`
 */
function refuseUntrainable(path: string, { named, classesPath, hasTrain }: Parts): void {
  if (!hasTrain) {
    throw datasetError(`${path} has nothing to train on: there is no train/ folder beside ${classesPath}.`);
  }
  const [name = ''] = named.classes.keys();
  if (named.classes.size > 1) return;
  const below = named.nested.get(name) ?? [];
  const hint =
    below.length < 2 ? '' : ` It holds folders itself (${quoted(below)}): did you mean ${join(classesPath, name)}?`;
  throw datasetError(
    `${classesPath} holds one class only, ${name}.${hint} Add a folder with images of something else: ` +
      'a classifier needs at least two classes.',
  );
}

async function joined<T>(lists: readonly (readonly T[])[], turns: Turns): Promise<readonly T[]> {
  const all: T[] = [];
  for (const list of lists) {
    for (const item of list) {
      all.push(item);
      if (turns.due()) await turns.next();
    }
  }
  return all;
}
