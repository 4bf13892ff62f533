import type { NativeFileList, ScannedImage } from '../native/contract/data.js';
import { type CorruptFile, findCorrupt, type ScanOptions, scanFiles } from './check.js';
import type { LabelledFile, ListedPart } from './sources/listing.js';
import { ITEMS_A_TURN, type Turns } from './turns.js';

/** Those of some files that can be read. */
export interface Readable {
  readonly files: readonly LabelledFile[];
  /** Of each, as displayed: width, height and 1 for a JPEG. */
  readonly sizes: Int32Array;
  /** Of each, in the list that holds the images; else among the files that were given. */
  readonly positions: Int32Array;
  /** Of each, a hash that equal images share. */
  readonly digests: readonly string[];
  /** Those whose hash is of some parts of the file alone. */
  readonly sampled: ReadonlySet<number>;
  readonly corrupt: readonly CorruptFile[];
}

/** Larger files are hashed in parts. */
const HASHED_WHOLE = 512 * 1024;

/**
 * Reads the headers of images, some at a time.
 *
 * @param store where the images are, if they are no files of their own
 */
export async function readHeaders(
  part: ListedPart,
  options: ScanOptions,
  turns: Turns,
  store: NativeFileList | null,
): Promise<Readable> {
  const { files } = part;
  const kept: LabelledFile[] = [];
  const sizes = new Int32Array(3 * files.length);
  const positions = new Int32Array(files.length);
  const digests: string[] = [];
  const sampled = new Set<number>();
  const corrupt: CorruptFile[] = [];
  for (let start = 0; start < files.length; start += ITEMS_A_TURN) {
    const slice = files.slice(start, start + ITEMS_A_TURN);
    const scanned = await scanSlice(slice, part.positions?.subarray(start, start + slice.length), options, store);
    slice.forEach((file, index) => {
      const image = scanned[index];
      if (image?.ok === true) {
        sizes.set([image.width, image.height, image.format === 'jpeg' ? 1 : 0], 3 * kept.length);
        digests.push(image.digest);
        if (store === null && image.bytes > HASHED_WHOLE) sampled.add(kept.length);
        positions[kept.length] = part.positions?.[start + index] ?? start + index;
        kept.push(file);
      } else {
        corrupt.push({ path: file.path, message: image?.message ?? '' });
      }
    });
    if (turns.due(slice.length)) await turns.next();
  }
  return {
    files: kept,
    sizes: sizes.slice(0, 3 * kept.length),
    positions: positions.slice(0, kept.length),
    digests,
    sampled,
    corrupt,
  };
}

async function scanSlice(
  slice: readonly LabelledFile[],
  positions: Int32Array | undefined,
  options: ScanOptions,
  store: NativeFileList | null,
): Promise<readonly ScannedImage[]> {
  const paths = slice.map(({ path }) => path);
  if (store === null || positions === undefined) return scanFiles(paths, options);
  const list = store.pick(positions, new Int32Array(slice.length));
  try {
    return await scanFiles(paths, options, list);
  } finally {
    list.dispose();
  }
}

/**
 * Broken files, of which the first is an error unless they are to be left out.
 *
 * @throws ResnetTorchError `ERR_IMAGE_DECODE`
 */
export function refuseCorrupt(corrupt: readonly CorruptFile[], skipCorrupt: boolean): readonly CorruptFile[] {
  if (skipCorrupt) return corrupt;
  const broken = corrupt.map(
    ({ message }): ScannedImage => ({ ok: false, message, width: 0, height: 0, format: '', bytes: 0, digest: '' }),
  );
  return findCorrupt(
    corrupt.map(({ path }) => path),
    broken,
    false,
  );
}
