import { availableParallelism } from 'node:os';
import { ResnetTorchError } from '../errors.js';
import type { ScannedImage } from '../native/binding.js';
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

/** Reads the headers of all files, and looks for the end marker of JPEGs, on native threads. */
export async function scanFiles(
  paths: readonly string[],
  { workers = availableParallelism(), onProgress, signal }: ScanOptions,
): Promise<readonly ScannedImage[]> {
  const results: ScannedImage[] = [];
  onProgress?.(0, paths.length);
  while (results.length < paths.length) {
    const before = results.length;
    results.push(
      ...(await scanChunk(paths.slice(before, before + CHUNK), workers, signal, (done) =>
        onProgress?.(before + done, paths.length),
      )),
    );
  }
  return results;
}

/** A report that throws ends the scan with what it threw. */
async function scanChunk(
  paths: readonly string[],
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
  const scanned = await withCancel(either, (token) => native().scanImages(paths, { workers, progress }, token));
  if (reported < paths.length) progress(paths.length);
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
