import { join } from 'node:path';
import { datasetError } from '../../dataset-error.js';
import {
  hidden,
  type IgnoredFile,
  IMAGE_EXTENSIONS,
  ignoredFile,
  isHidden,
  isImageName,
  readFolder,
  readImageTree,
} from '../../image-tree.js';
import { quoted } from '../../quoted.js';
import { Turns } from '../../turns.js';
import { PART_NAMES, soundsLikePart } from '../part-names.js';

export interface ClassFolders {
  /** By class name, in the order of the names: the paths of its images. */
  readonly classes: ReadonlyMap<string, readonly string[]>;
  /** By class name, the folders in it that hold images. */
  readonly nested: ReadonlyMap<string, readonly string[]>;
  readonly ignored: readonly IgnoredFile[];
}

/**
 * The images of a folder of class folders.
 *
 * @throws ResnetTorchError `ERR_DATASET` where there are none, one is empty, or they are not classes by what they hold
 */
export async function readClassFolders(path: string, turns: Turns = new Turns()): Promise<ClassFolders> {
  const { folders, files } = await readFolder(path, turns);
  const ignored: IgnoredFile[] = [];
  let loose = 0;
  for (const name of files) {
    ignored.push(ignoredFile(path, name));
    if (isImageName(name) && !isHidden(name)) loose++;
    if (turns.due()) await turns.next();
  }
  const classes = new Map<string, readonly string[]>();
  const nested = new Map<string, readonly string[]>();
  let hasImages = false;
  for (const name of folders) {
    const folder = join(path, name);
    if (isHidden(name)) {
      ignored.push(hidden(folder));
      continue;
    }
    const tree = await readImageTree(folder, turns);
    for (const file of tree.ignored) {
      ignored.push(file);
      if (turns.due()) await turns.next();
    }
    if (tree.images.length > 0) {
      classes.set(name, tree.images);
      nested.set(name, tree.folders);
      // A stray image beside the folders does not make a class of them.
      if (10 * tree.direct > tree.images.length) hasImages = true;
    } else if (!holdsRuns(tree.ignored)) {
      throw datasetError(
        `The class folder ${folder} holds no images. Add some or remove the folder; ` +
          `read are ${IMAGE_EXTENSIONS.join(' ')}.`,
      );
    }
  }
  if (classes.size === 0) {
    throw datasetError(
      `${path} holds no class folders${loose === 0 ? '' : `, but ${loose} images without a class`}. ` +
        'Put the images of each class in a folder of its own, named after the class.',
    );
  }
  refuseParts(path, nested, hasImages);
  return { classes, nested, ignored };
}

/** What `train` wrote into the data, such as `runs/`, is no class. */
function holdsRuns(ignored: readonly IgnoredFile[]): boolean {
  return (
    ignored.some(({ reason }) => reason === 'run') &&
    ignored.every(({ reason }) => reason === 'run' || reason === 'hidden')
  );
}

/** Parts of a data set that are taken for its classes give a model that tells training images from others. */
function refuseParts(path: string, nested: ReadonlyMap<string, readonly string[]>, someHoldImages: boolean): void {
  const names = [...nested.keys()];
  if (names.length < 2) return;
  const wayOut = `Parts are told by their names: ${PART_NAMES}, in any case.`;
  if (!someHoldImages) {
    const [first = [], ...others] = [...nested.values()].map((folders) => new Set(folders));
    const common = [...first].filter((name) => others.every((set) => set.has(name)));
    if (common.length > 1) {
      throw datasetError(
        `Every folder in ${path} (${quoted(names)}) holds the same folders (${quoted(common)}), and no images of its own: ` +
          `these look like the classes, and ${quoted(names)} like parts of the data set. ${wayOut} Rename the folders, or, ` +
          'if they are the classes all the same, put their images into them directly.',
      );
    }
  }
  if (names.every(soundsLikePart)) {
    throw datasetError(
      `The folders in ${path} (${quoted(names)}) are called like parts of a data set, not like classes, and hold no class ` +
        `folders. ${wayOut} In each, put the images of a class in a folder of its own, named after the class.`,
    );
  }
}
