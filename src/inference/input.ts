import { MOST_WORKERS } from '../data/limits.js';
import { openLoader } from '../data/loader.js';
import { centerCrop, defaultResize } from '../data/transforms/spec.js';
import type { ResNet } from '../model/network.js';
import { PRECISIONS, type Precision, resolveCompute } from '../model/precision.js';
import type { ImageFailure, NativeFileList, NativeLoader } from '../native/contract/data.js';
import type { Compute } from '../native/contract/model.js';
import { native, withCancel } from '../native/load.js';
import { requireBoolean, requireNumber, requireOneOf } from '../options.js';

/** How images are read and become input, for evaluation and prediction. */
export interface InputOptions {
  /** Side of the square, pixels. Default: what the model was trained with, else its weights' own, else 224. */
  readonly imageSize?: number;
  /** Short side before the centre crop, pixels. Default: the model's own, in proportion where `imageSize` differs. */
  readonly resize?: number;
  /** Images at a time. Default 32. */
  readonly batchSize?: number;
  /** Threads that read and decode. Default: half of the cores. */
  readonly workers?: number;
  /** Default `auto`. */
  readonly precision?: Precision;
}

export const INPUT_OPTION_NAMES = [
  'imageSize',
  'resize',
  'batchSize',
  'workers',
  'precision',
] as const satisfies readonly (keyof InputOptions)[];

/** What is asked of one pass over images. */
export interface PassOptions {
  /** Leave out images that turn out to be broken, and tell `onSkipped`, instead of rejecting. Default false. */
  readonly skipCorrupt?: boolean;
  /** Told of each image that is left out, and why. */
  readonly onSkipped?: (path: string, message: string) => void;
  /** Images done, and all. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

export const PASS_OPTION_NAMES = [
  'skipCorrupt',
  'onSkipped',
  'onProgress',
  'signal',
] as const satisfies readonly (keyof PassOptions)[];

/** Batches of one native call: progress and other work come between calls. */
const BATCHES_PER_CALL = 4;

/** What every native call over a loader answers. */
interface Part {
  readonly failures: readonly ImageFailure[];
  readonly indices: Int32Array;
  readonly exhausted: boolean;
}

/** What a native call over a loader is told. */
export interface PartRequest {
  readonly loader: NativeLoader;
  readonly compute: Compute;
  readonly maxBatches: number;
}

/**
 * Hands the files to native code, some batches at a time and in their order, as the model sees images in evaluation.
 * The list is let go of at the end.
 */
export async function passOver<T extends Part>(
  model: ResNet,
  listFiles: () => Promise<NativeFileList>,
  input: InputOptions,
  pass: PassOptions,
  call: (request: PartRequest, token: Parameters<typeof model.handle.evaluate>[1]) => Promise<T>,
): Promise<readonly T[]> {
  // Before anything is waited for: a list of many files takes its time, and the model stays from the call on.
  const release = model.use();
  let files: NativeFileList | null = null;
  let loader: NativeLoader | null = null;
  try {
    files = await listFiles();
    const compute = resolveCompute(requireOneOf(input.precision ?? 'auto', 'precision', PRECISIONS), model, native());
    loader = open(model, files, input, requireBoolean(pass.skipCorrupt ?? false, 'skipCorrupt'));
    const request = { loader, compute, maxBatches: BATCHES_PER_CALL };
    const parts: T[] = [];
    let done = 0;
    pass.onProgress?.(0, loader.images);
    for (;;) {
      const part = await withCancel(pass.signal, (token) => call(request, token));
      pass.signal?.throwIfAborted();
      parts.push(part);
      for (const { path, message } of part.failures) pass.onSkipped?.(path, message);
      done += part.indices.length + part.failures.length;
      pass.onProgress?.(done, loader.images);
      if (part.exhausted) return parts;
    }
  } finally {
    loader?.dispose();
    files?.dispose();
    release();
  }
}

function open(model: ResNet, files: NativeFileList, o: InputOptions, skipCorrupt: boolean): NativeLoader {
  const imageSize = o.imageSize ?? model.preprocessing?.crop ?? 224;
  const resize = o.resize ?? defaultResize(imageSize, model.preprocessing);
  return openLoader({
    device: model.device,
    files,
    crop: centerCrop(imageSize, resize),
    batchSize: requireNumber(o.batchSize ?? 32, 'batchSize', { integer: true, min: 1, max: 65536 }),
    epoch: 0,
    seed: 0,
    training: false,
    workers:
      o.workers === undefined
        ? undefined
        : requireNumber(o.workers, 'workers', { integer: true, min: 1, max: MOST_WORKERS }),
    skipCorrupt,
  });
}
