import { join, relative } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { datasetError, type IgnoredFile, ignoredFiles, readClassFolders, readFolder } from './folder.js';
import { heldBack } from './split.js';

/** By class name, paths of its images. */
export type FilesByClass = ReadonlyMap<string, readonly string[]>;

/** What a data folder holds, before any file is opened. */
export interface Parts {
  readonly classes: readonly string[];
  readonly train: FilesByClass;
  readonly val: FilesByClass;
  /** The folder of the class folders that name the classes. */
  readonly classesPath: string;
  readonly hasTrain: boolean;
  /** Whether there is a folder to evaluate on. */
  readonly hasParts: boolean;
  readonly ignored: readonly IgnoredFile[];
}

export interface HoldBack {
  readonly valSplit: number;
  readonly seed: number;
}

/** Folders that serve as `val`, the first that is there. */
const VAL_NAMES: readonly string[] = ['val', 'valid', 'test'];
const NOTHING: FilesByClass = new Map();
const MOST_QUOTED = 12;

/** Names for a message, not more than a person reads. */
export function quoted(names: readonly string[]): string {
  const shown = names.slice(0, MOST_QUOTED).join(', ');
  return names.length > MOST_QUOTED ? `${shown} and ${names.length - MOST_QUOTED} more` : shown;
}

/** @throws ResnetTorchError `ERR_DATASET` */
export async function readParts(path: string, holdBack: HoldBack): Promise<Parts> {
  const { folders, files } = await readFolder(path);
  const valName = VAL_NAMES.find((name) => folders.includes(name));
  const loose = ignoredFiles(path, files);
  if (folders.includes('train')) {
    return valName === undefined
      ? readSingle(join(path, 'train'), holdBack, loose)
      : readBoth(join(path, 'train'), join(path, valName), loose);
  }
  const visible = folders.filter((name) => !name.startsWith('.'));
  const onlyVal = valName !== undefined && visible.every((name) => VAL_NAMES.includes(name));
  // Among other folders, one with such a name is a class.
  return onlyVal ? readEvaluationOnly(join(path, valName), loose) : readSingle(path, holdBack, []);
}

async function readBoth(trainPath: string, valPath: string, loose: readonly IgnoredFile[]): Promise<Parts> {
  const [train, val] = await Promise.all([readClassFolders(trainPath), readClassFolders(valPath)]);
  const unknown = [...val.classes.keys()].filter((name) => !train.classes.has(name));
  if (unknown.length > 0) {
    throw datasetError(
      `${valPath} holds ${unknown.length === 1 ? 'a class' : 'classes'} that ${trainPath} lacks: ${quoted(unknown)}. ` +
        'Labels are matched by name: rename the folder, remove it, or add training images of the class.',
    );
  }
  return {
    classes: [...train.classes.keys()],
    train: train.classes,
    val: val.classes,
    classesPath: trainPath,
    hasTrain: true,
    hasParts: true,
    ignored: [...loose, ...train.ignored, ...val.ignored],
  };
}

async function readEvaluationOnly(valPath: string, loose: readonly IgnoredFile[]): Promise<Parts> {
  const { classes, ignored } = await readClassFolders(valPath);
  return {
    classes: [...classes.keys()],
    train: NOTHING,
    val: classes,
    classesPath: valPath,
    hasTrain: false,
    hasParts: true,
    ignored: [...loose, ...ignored],
  };
}

/** One folder of class folders, of which a share is held back. */
async function readSingle(path: string, { valSplit, seed }: HoldBack, loose: readonly IgnoredFile[]): Promise<Parts> {
  const { classes, ignored } = await readClassFolders(path);
  const train = new Map<string, readonly string[]>();
  const val = new Map<string, readonly string[]>();
  for (const [name, files] of classes) {
    const below = (file: string): string => relative(join(path, name), file).replaceAll('\\', '/');
    const held = heldBack(name, files.map(below), valSplit, seed);
    train.set(
      name,
      files.filter((file) => !held.has(below(file))),
    );
    val.set(
      name,
      files.filter((file) => held.has(below(file))),
    );
    // Hashing a large data set takes its time: others get their turn.
    await nextTurn();
  }
  return {
    classes: [...classes.keys()],
    train,
    val,
    classesPath: path,
    hasTrain: true,
    hasParts: false,
    ignored: [...loose, ...ignored],
  };
}

/**
 * What an evaluation may lack and a training may not.
 *
 * @throws ResnetTorchError `ERR_DATASET`
 */
export function refuseUntrainable(path: string, { classes, classesPath, hasTrain }: Parts): void {
  if (!hasTrain) {
    throw datasetError(`${path} has nothing to train on: there is no train/ folder beside ${classesPath}.`);
  }
  if (classes.length < 2) {
    throw datasetError(
      `${classesPath} holds one class only, ${quoted(classes)}. Add a folder with images of something else: ` +
        'a classifier needs at least two classes.',
    );
  }
}
