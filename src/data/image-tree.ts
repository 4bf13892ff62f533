import type { Dirent } from 'node:fs';
import { opendir, readFile, realpath, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import { isError } from '../kinds.js';
import { datasetError } from './dataset-error.js';
import { compareCodePoints } from './order.js';
import { pathFromBytes, systemPath } from './path-bytes.js';
import { ITEMS_A_TURN, sortInTurns, Turns } from './turns.js';

/** Extensions of the files that are read, in small letters; letter case in file names does not count. */
export const IMAGE_EXTENSIONS = ['.jpg', '.jpeg', '.png', '.webp', '.gif', '.tif', '.tiff', '.avif'] as const;

/** A file that lies in the data and is not read. */
export interface IgnoredFile {
  readonly path: string;
  /**
   * `extension`: not an image by its name. `place`: an image outside of the class folders. `hidden`: a dot file or folder.
   * `run`: a folder that `train` wrote.
   */
  readonly reason: 'extension' | 'place' | 'hidden' | 'run';
}

export interface ImageTree {
  /** Folders in the order of their paths, the files of each in the order of their names, as torchvision reads them. */
  readonly images: readonly string[];
  /** How many of them lie in the folder itself. */
  readonly direct: number;
  /** Folders in the folder that hold images, at whatever depth, by name. */
  readonly folders: readonly string[];
  readonly ignored: readonly IgnoredFile[];
}

export function isImageName(name: string): boolean {
  return (IMAGE_EXTENSIONS as readonly string[]).includes(extname(name).toLowerCase());
}

export function isHidden(name: string): boolean {
  return name.startsWith('.');
}

export interface FolderEntries {
  readonly folders: readonly string[];
  readonly files: readonly string[];
}

/** Names in a folder, links followed, each list sorted. */
export async function readFolder(path: string, turns: Turns = new Turns()): Promise<FolderEntries> {
  const folders: string[] = [];
  const files: string[] = [];
  try {
    for await (const entry of await openFolder(path)) {
      const name = pathFromBytes(entry.name);
      const isFolder = entry.isSymbolicLink() ? await isDirectory(join(path, name)) : entry.isDirectory();
      (isFolder ? folders : files).push(name);
      if (turns.due()) await turns.next();
    }
  } catch (cause) {
    throw datasetError(explainUnreadable(path, cause), cause);
  }
  return {
    folders: await sortInTurns(folders, compareCodePoints, turns),
    files: await sortInTurns(files, compareCodePoints, turns),
  };
}

/** Names as bytes, since they need not be text. Node's types know of strings alone. */
async function openFolder(path: string): Promise<AsyncIterable<Dirent<Buffer>>> {
  const options = { encoding: 'buffer', bufferSize: ITEMS_A_TURN };
  return (await opendir(systemPath(path) as string, options as object)) as unknown as AsyncIterable<Dirent<Buffer>>;
}

function explainUnreadable(path: string, cause: unknown): string {
  const code = isError(cause) && 'code' in cause ? cause.code : undefined;
  if (code === 'ENOENT')
    return `There is no folder ${path}. Name a folder with train/ and val/, one of class folders, or a list of images (.csv, .jsonl).`;
  if (code === 'ENOTDIR')
    return `${path} is a file, not a folder. Name a folder with train/ and val/, one of class folders, or a list of images (.csv, .jsonl).`;
  return `The folder ${path} cannot be read: ${isError(cause) ? cause.message : String(cause)}`;
}

/** A link that leads nowhere counts as a file: reading it will say so. */
async function isDirectory(path: string): Promise<boolean> {
  return stat(systemPath(path)).then(
    (info) => info.isDirectory(),
    () => false,
  );
}

/** A folder of a tree. `top`: the folder in the tree's root that it lies in; null for the root. */
interface Found {
  readonly folder: string;
  readonly top: string | null;
  readonly files: readonly string[];
}

/** All images below a folder, links followed but not in circles. What `train` wrote there is passed over. */
export async function readImageTree(path: string, turns: Turns = new Turns()): Promise<ImageTree> {
  const found: Found[] = [];
  const ignored: IgnoredFile[] = [];
  const visit = async (folder: string, top: string | null, above: readonly string[]): Promise<void> => {
    const real = await realFolder(folder);
    if (above.includes(real)) return;
    const { folders, files } = await readFolder(folder, turns);
    if (await isRunDirectory(folder, files)) {
      ignored.push({ path: folder, reason: 'run' });
      return;
    }
    found.push({ folder, top, files });
    for (const name of folders) {
      if (isHidden(name)) ignored.push(hidden(join(folder, name)));
      else await visit(join(folder, name), top ?? name, [...above, real]);
    }
  };
  await visit(path, null, []);
  const images: string[] = [];
  const tops = new Set<string>();
  let direct = 0;
  for (const { folder, top, files } of await sortInTurns(found, byFolder, turns)) {
    for (const name of files) {
      if (isHidden(name)) ignored.push(hidden(join(folder, name)));
      else if (!isImageName(name)) ignored.push({ path: join(folder, name), reason: 'extension' });
      else {
        images.push(join(folder, name));
        if (top === null) direct++;
        else tops.add(top);
      }
      if (turns.due()) await turns.next();
    }
  }
  return { images, direct, folders: [...tops], ignored };
}

function byFolder(a: Found, b: Found): number {
  return compareCodePoints(a.folder, b.folder);
}

async function realFolder(folder: string): Promise<string> {
  return realpath(systemPath(folder), { encoding: 'buffer' }).then(pathFromBytes, () => folder);
}

/** Whether `train` wrote this folder: its config and its events are there, and the config says what it is. */
async function isRunDirectory(folder: string, files: readonly string[]): Promise<boolean> {
  if (!holds(files, 'config.json') || !holds(files, 'events.jsonl')) return false;
  const text = await readFile(systemPath(join(folder, 'config.json')), 'utf8').catch(() => '');
  return /"format":\s*"resnet-torch run"/.test(text);
}

/** Whether a name is among sorted ones, which may be very many. */
function holds(sorted: readonly string[], name: string): boolean {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareCodePoints(sorted[middle] ?? '', name) < 0) low = middle + 1;
    else high = middle;
  }
  return sorted[low] === name;
}

/** Files that lie beside class folders, in none of them. */
export function ignoredFile(folder: string, name: string): IgnoredFile {
  const path = join(folder, name);
  if (isHidden(name)) return hidden(path);
  return { path, reason: isImageName(name) ? 'place' : 'extension' };
}

export function hidden(path: string): IgnoredFile {
  return { path, reason: 'hidden' };
}
