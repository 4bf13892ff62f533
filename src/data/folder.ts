import type { Dirent } from 'node:fs';
import { readdir, realpath, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { ResnetTorchError } from '../errors.js';
import { compareCodePoints } from './order.js';

/** Extensions of the files that are read, in small letters; letter case in file names does not count. */
export const IMAGE_EXTENSIONS = ['.jpg', '.jpeg', '.png', '.webp', '.gif', '.tif', '.tiff', '.avif'] as const;

/** A file that lies in the data and is not read. */
export interface IgnoredFile {
  readonly path: string;
  /** `extension`: not an image by its name. `place`: an image outside of the class folders. `hidden`: a dot file. */
  readonly reason: 'extension' | 'place' | 'hidden';
}

export interface ImageTree {
  /** Folders in the order of their paths, the files of each in the order of their names, as torchvision reads them. */
  readonly images: readonly string[];
  readonly ignored: readonly IgnoredFile[];
}

export function isImageName(name: string): boolean {
  return (IMAGE_EXTENSIONS as readonly string[]).includes(extname(name).toLowerCase());
}

export function datasetError(message: string, cause?: unknown): ResnetTorchError {
  return new ResnetTorchError('ERR_DATASET', message, cause === undefined ? undefined : { cause });
}

export interface FolderEntries {
  readonly folders: readonly string[];
  readonly files: readonly string[];
}

/** Names in a folder, links followed, each list sorted. */
export async function readFolder(path: string): Promise<FolderEntries> {
  let entries: Dirent[];
  try {
    entries = await readdir(path, { withFileTypes: true });
  } catch (cause) {
    throw datasetError(explainUnreadable(path, cause), cause);
  }
  const folders: string[] = [];
  const files: string[] = [];
  for (const entry of entries) {
    const isFolder = entry.isSymbolicLink() ? await isDirectory(join(path, entry.name)) : entry.isDirectory();
    (isFolder ? folders : files).push(entry.name);
  }
  return {
    folders: folders.sort(compareCodePoints),
    files: files.sort(compareCodePoints),
  };
}

function explainUnreadable(path: string, cause: unknown): string {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'ENOENT')
    return `There is no folder ${path}. Name a folder with train/ and val/, or one of class folders.`;
  if (code === 'ENOTDIR')
    return `${path} is a file, not a folder. Name a folder with train/ and val/, or one of class folders.`;
  return `The folder ${path} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`;
}

/** A link that leads nowhere counts as a file: reading it will say so. */
async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    (info) => info.isDirectory(),
    () => false,
  );
}

/** All images below a folder, links followed but not in circles. */
export async function readImageTree(path: string): Promise<ImageTree> {
  const found: {
    readonly folder: string;
    readonly files: readonly string[];
  }[] = [];
  const ignored: IgnoredFile[] = [];
  const visit = async (folder: string, above: readonly string[]): Promise<void> => {
    const real = await realpath(folder).catch(() => folder);
    if (above.includes(real)) return;
    const { folders, files } = await readFolder(folder);
    found.push({ folder, files });
    for (const name of folders) {
      if (name.startsWith('.')) ignored.push(hidden(join(folder, name)));
      else await visit(join(folder, name), [...above, real]);
    }
  };
  await visit(path, []);
  const images: string[] = [];
  for (const { folder, files } of found.sort((a, b) => compareCodePoints(a.folder, b.folder))) {
    for (const name of files) {
      if (name.startsWith('.')) ignored.push(hidden(join(folder, name)));
      else if (isImageName(name)) images.push(join(folder, name));
      else ignored.push({ path: join(folder, name), reason: 'extension' });
    }
  }
  return { images, ignored };
}

export interface ClassFolders {
  /** By class name, in the order of the names. */
  readonly classes: ReadonlyMap<string, readonly string[]>;
  readonly ignored: readonly IgnoredFile[];
}

/**
 * The images of a folder of class folders.
 *
 * @throws ResnetTorchError `ERR_DATASET` where there are none, or one is empty
 */
export async function readClassFolders(path: string): Promise<ClassFolders> {
  const { folders, files } = await readFolder(path);
  const names = folders.filter((name) => !name.startsWith('.'));
  const ignored = [
    ...ignoredFiles(path, files),
    ...folders.filter((name) => name.startsWith('.')).map((name) => hidden(join(path, name))),
  ];
  if (names.length === 0) {
    const loose = files.filter(isImageName).length;
    throw datasetError(
      `${path} holds no class folders${loose === 0 ? '' : `, but ${loose} images without a class`}. ` +
        'Put the images of each class in a folder of its own, named after the class.',
    );
  }
  const classes = new Map<string, readonly string[]>();
  for (const name of names) {
    const tree = await readImageTree(join(path, name));
    ignored.push(...tree.ignored);
    if (tree.images.length === 0) {
      throw datasetError(
        `The class folder ${join(path, name)} holds no images. Add some or remove the folder; ` +
          `read are ${IMAGE_EXTENSIONS.join(' ')}.`,
      );
    }
    classes.set(name, tree.images);
  }
  return { classes, ignored };
}

/** Files that lie beside class folders, in none of them. */
export function ignoredFiles(folder: string, names: readonly string[]): readonly IgnoredFile[] {
  return names.map((name) => {
    if (name.startsWith('.')) return hidden(join(folder, name));
    return {
      path: join(folder, name),
      reason: isImageName(name) ? 'place' : 'extension',
    };
  });
}

function hidden(path: string): IgnoredFile {
  return { path, reason: 'hidden' };
}
