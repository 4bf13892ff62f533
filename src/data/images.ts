import { stat } from 'node:fs/promises';
import type { NativeFileList } from '../native/binding.js';
import { native } from '../native/load.js';
import { checkOptions, requireBoolean, requireNumber } from '../options.js';
import { MOST_WORKERS } from './batches.js';
import { type CorruptFile, findCorrupt, scanFiles } from './check.js';
import { datasetError, type IgnoredFile, IMAGE_EXTENSIONS, readImageTree } from './folder.js';
import { describeSkipped, type Skipped } from './skipped.js';

export interface ImagesOptions {
  /** Leave out files that cannot be read, and list them in `skipped`, instead of failing. Default false. */
  readonly skipCorrupt?: boolean;
  /** Threads that read headers. Default: as many as there are cores. */
  readonly workers?: number;
  /** Hears of files whose header was read. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

const IMAGES_OPTIONS = [
  'skipCorrupt',
  'workers',
  'onProgress',
  'signal',
] as const satisfies readonly (keyof ImagesOptions)[];

/** Images without labels, for prediction. */
export interface ImageSet {
  /** In the order asked for; those of a folder in the order of their paths. */
  readonly files: readonly string[];
  readonly skipped: Skipped;
  /** The same in sentences for a person; empty where all is used. */
  readonly notes: readonly string[];
  /** A native list with the label 0 for every file. The caller lets go of it. */
  fileList(): NativeFileList;
}

/**
 * Finds images by name: a file is taken whatever its extension, a folder is searched, folders in it too. Reads every
 * header.
 *
 * @throws ResnetTorchError `ERR_DATASET` for a path that is not there and a folder without images; `ERR_IMAGE_DECODE` for
 *   a file that cannot be read, unless `skipCorrupt`
 */
export async function openImages(paths: readonly string[], options: ImagesOptions = {}): Promise<ImageSet> {
  checkOptions(options, IMAGES_OPTIONS, 'openImages()');
  const skipCorrupt = requireBoolean(options.skipCorrupt ?? false, 'skipCorrupt');
  if (options.workers !== undefined)
    requireNumber(options.workers, 'workers', {
      integer: true,
      min: 1,
      max: MOST_WORKERS,
    });
  options.signal?.throwIfAborted();
  const found: string[] = [];
  const ignored: IgnoredFile[] = [];
  for (const path of paths) {
    if (await isFolder(path)) {
      const tree = await readImageTree(path);
      if (tree.images.length === 0) {
        throw datasetError(`The folder ${path} holds no images. Read are ${IMAGE_EXTENSIONS.join(' ')}.`);
      }
      found.push(...tree.images);
      ignored.push(...tree.ignored);
    } else {
      found.push(path);
    }
  }
  const corrupt = findCorrupt(found, await scanFiles(found, options), skipCorrupt);
  return imageSet(found, { ignored, corrupt });
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (cause) {
    throw datasetError(`There is no image or folder ${path}.`, cause);
  }
}

function imageSet(found: readonly string[], skipped: Skipped): ImageSet {
  const broken = new Set(skipped.corrupt.map(({ path }: CorruptFile) => path));
  const files = found.filter((path) => !broken.has(path));
  return {
    files,
    skipped,
    notes: describeSkipped(skipped, '.'),
    fileList: () => new (native().FileList)(files, new Int32Array(files.length)),
  };
}
