import { availableParallelism } from 'node:os';
import { ResnetTorchError } from '../errors.js';
import type { NativeFileList, ScannedImage } from '../native/contract/data.js';
import { native, withCancel } from '../native/load.js';

/** A file that cannot be read as an image. */
export interface CorruptFile {
  readonly path: string;
  readonly message: string;
}

export interface ScanOptions {
  /** Default: as many as there are cores. */
  readonly workers?: number | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Files handed to native code at a time, so that the answers do not block the event loop. */
const CHUNK = 512;

/**
 * Reads the headers of all files on native threads, and looks whether the files are as long as their own structure says.
 *
 * @param list where the images are, if `paths` are but names
 * @throws ResnetTorchError `ERR_FILE` or `ERR_OUT_OF_MEMORY` for what is no fault of a file; `ERR_IMAGE_DECODE` is for
 *   `findCorrupt()` to throw
 */
export async function scanFiles(
  paths: readonly string[],
  { workers = availableParallelism(), onProgress, signal }: ScanOptions,
  list?: NativeFileList,
): Promise<readonly ScannedImage[]> {
  const results: ScannedImage[] = [];
  onProgress?.(0, paths.length);
  while (results.length < paths.length) {
    const before = results.length;
    const count = Math.min(CHUNK, paths.length - before);
    const report = (done: number): void => onProgress?.(before + done, paths.length);
    if (list === undefined) {
      results.push(...(await scanChunk(paths.slice(before, before + count), count, workers, signal, report)));
      continue;
    }
    const part = list.pick(
      Int32Array.from({ length: count }, (_, index) => before + index),
      new Int32Array(count),
    );
    try {
      results.push(...(await scanChunk(part, count, workers, signal, report)));
    } finally {
      part.dispose();
    }
  }
  return results;
}

/** A report that throws ends the scan with what it threw. */
async function scanChunk(
  files: readonly string[] | NativeFileList,
  count: number,
  workers: number,
  signal: AbortSignal | undefined,
  report: (done: number) => void,
): Promise<readonly ScannedImage[]> {
  const failure = new AbortController();
  let reported = 0;
  const progress = (done: number): void => {
    if (failure.signal.aborted) return;
    try {
      reported = done;
      report(done);
    } catch (error) {
      failure.abort(error);
    }
  };
  const either = signal === undefined ? failure.signal : AbortSignal.any([signal, failure.signal]);
  const scanned = await withCancel(either, (token) => native().scanImages(files, { workers, progress }, token));
  if (reported < count) progress(count);
  failure.signal.throwIfAborted();
  return scanned;
}

/**
 * Sorts the files that cannot be read out of a scan.
 *
 * @throws ResnetTorchError `ERR_IMAGE_DECODE` naming the first, unless they are to be left out
 */
export function findCorrupt(
  paths: readonly string[],
  scanned: readonly ScannedImage[],
  skipCorrupt: boolean,
): readonly CorruptFile[] {
  const corrupt = paths.flatMap((path, index) => {
    const image = scanned[index];
    return image === undefined || image.ok ? [] : [{ path, message: image.message }];
  });
  const [first] = corrupt;
  if (first === undefined || skipCorrupt) return corrupt;
  const more = corrupt.length === 1 ? '' : ` ${corrupt.length - 1} more cannot be read.`;
  throw new ResnetTorchError(
    'ERR_IMAGE_DECODE',
    `Cannot read the image ${first.path}: ${first.message}.${more} ` +
      'Replace or remove the file, or leave out what is broken with --skip-corrupt (skipCorrupt: true).',
  );
}
