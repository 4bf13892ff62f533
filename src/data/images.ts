import { stat } from 'node:fs/promises';
import { systemCode } from '../files.js';
import { shorten } from '../options.js';
import { datasetError } from './dataset-error.js';
import { type IgnoredFile, IMAGE_EXTENSIONS, readImageTree } from './image-tree.js';
import { systemPath } from './path-bytes.js';

/** Image files by name. */
export interface FoundImages {
  /** In the order asked for; those of a folder in the order of their paths. */
  readonly files: readonly string[];
  /** What lies in the folders and is not read. */
  readonly ignored: readonly IgnoredFile[];
}

/**
 * Finds images by name: a file is taken whatever its extension, a folder is searched, folders in it too. No file is
 * opened.
 *
 * @throws ResnetTorchError `ERR_DATASET` for a path that is not there and a folder without images
 */
export async function findImages(paths: readonly string[]): Promise<FoundImages> {
  const files: string[] = [];
  const ignored: IgnoredFile[] = [];
  for (const path of paths) {
    if (await isFolder(path)) {
      const tree = await readImageTree(path);
      if (tree.images.length === 0) {
        throw datasetError(`The folder ${path} holds no images. Read are ${IMAGE_EXTENSIONS.join(' ')}.`);
      }
      for (const image of tree.images) files.push(image);
      for (const file of tree.ignored) ignored.push(file);
    } else {
      files.push(path);
    }
  }
  return { files, ignored };
}

/** @throws ResnetTorchError `ERR_DATASET` for a path that is not there, or cannot be looked at */
export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(systemPath(path))).isDirectory();
  } catch (cause) {
    const code = systemCode(cause);
    const name = shorten(path, 300);
    if (code === undefined || ['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes(code)) {
      throw datasetError(`There is no image or folder ${name}.`, cause);
    }
    throw datasetError(`The image or folder ${name} cannot be read: ${(cause as Error).message}.`, cause);
  }
}
