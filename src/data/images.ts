import { stat } from 'node:fs/promises';
import { datasetError, type IgnoredFile, IMAGE_EXTENSIONS, readImageTree } from './folder.js';

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
      ignored.push(...tree.ignored);
    } else {
      files.push(path);
    }
  }
  return { files, ignored };
}

/** @throws ResnetTorchError `ERR_DATASET` for a path that is not there */
export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (cause) {
    throw datasetError(`There is no image or folder ${path}.`, cause);
  }
}
