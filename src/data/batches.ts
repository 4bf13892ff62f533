import { types } from 'node:util';
import type { ImageFailure, NativeBatch, NativeFileList, NativeLoader } from '../native/contract/data.js';
import { withCancel } from '../native/load.js';
import { checkOptions, requireBoolean, requireNumber, requireOneOf } from '../options.js';
import { MOST_SEED, MOST_WORKERS } from './limits.js';
import { openLoader } from './loader.js';
import type { Augmentation } from './transforms/augmentation.js';
import { defaultResize, viewSpec } from './transforms/spec.js';

/** Which images, in which order, and what is made of them. */
export interface BatchOptions {
  /** Default `train`. `all` is every image of the data set. */
  readonly split?: SplitName;
  /** Addresses the order and the views, from 0. Default 0. */
  readonly epoch?: number;
  /** Images a batch; the last may be smaller. A batch larger than the data is one batch. Default 32. */
  readonly batchSize?: number;
  /** Side of the square, 32 to 4096 pixels. Default 224. */
  readonly imageSize?: number;
  /** Short side before a centre crop, pixels. Default 256/224 of `imageSize`. */
  readonly resize?: number;
  /** Default `none`. */
  readonly augment?: Augmentation;
  /** Addresses every random choice, an integer from 0. Default 0. */
  readonly seed?: number;
  /** Decoding threads. Default half of the cores. Results do not depend on it. */
  readonly workers?: number;
  /** `uint8`: pixels, N×H×W×3. `float32`: normalised as the network wants them, N×3×H×W. Default `uint8`. */
  readonly format?: 'uint8' | 'float32';
  /**
   * Random order, and a last batch of one image merged into the one before, since BatchNorm cannot train on one.
   * Default: for the split `train`.
   */
  readonly shuffle?: boolean;
  /** Leave out files that turn out to be broken: their batch is smaller, even empty. Default: as the data set was opened. */
  readonly skipCorrupt?: boolean;
  /** Batches to pass over, for an epoch that goes on. Default 0. */
  readonly firstBatch?: number;
  /** Ends the iteration with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A part of a data set; `all` is every image of it. */
export type SplitName = 'train' | 'val' | 'all';

/** Images and what they are, of one layout. */
export interface BatchOf<Images, Shape> {
  readonly images: Images;
  /** Class of each image. */
  readonly labels: Int32Array;
  /** Position of each image in the split's `files`. */
  readonly indices: Int32Array;
  readonly shape: Shape;
  /** The epoch that was asked for; with `indices` it addresses dropout. */
  readonly epoch: number;
  /** Files that were left out of this batch. */
  readonly failures: readonly ImageFailure[];
}

/** Pixels 0 to 255, row by row, red, green and blue together. */
export type PixelBatch = BatchOf<Uint8Array, readonly [n: number, height: number, width: number, channels: 3]>;
/** `(pixel / 255 − mean) / deviation` with ImageNet's figures, a plane a channel. */
export type NormalisedBatch = BatchOf<Float32Array, readonly [n: number, channels: 3, height: number, width: number]>;
/** A batch of either layout, by the option `format`. */
export type Batch = PixelBatch | NormalisedBatch;

const BATCH_OPTIONS = [
  'split',
  'epoch',
  'batchSize',
  'imageSize',
  'resize',
  'augment',
  'seed',
  'workers',
  'format',
  'shuffle',
  'skipCorrupt',
  'firstBatch',
  'signal',
] as const satisfies readonly (keyof BatchOptions)[];

const MOST_EPOCH = 2 ** 32 - 1;
const MOST_BATCH = 2 ** 20;

/** A checked request for batches. */
export interface BatchPlan {
  readonly split: SplitName;
  readonly format: 'uint8' | 'float32';
  readonly signal: AbortSignal | undefined;
  open(files: NativeFileList): NativeLoader;
}

/** @throws ResnetTorchError `ERR_INVALID_ARGUMENT` */
export function planBatches(options: BatchOptions, skipCorruptDefault: boolean): BatchPlan {
  checkOptions(options, BATCH_OPTIONS, 'batches()');
  const integer = (
    name: 'epoch' | 'batchSize' | 'imageSize' | 'seed' | 'firstBatch',
    fallback: number,
    min: number,
    max: number,
  ) => requireNumber(options[name] ?? fallback, name, { integer: true, min, max });
  const split = requireOneOf(options.split ?? 'train', 'split', ['train', 'val', 'all']);
  const imageSize = integer('imageSize', 224, 32, 4096);
  const pass = {
    ...viewSpec(options.augment ?? 'none', imageSize, options.resize ?? defaultResize(imageSize)),
    batchSize: integer('batchSize', 32, 1, MOST_BATCH),
    epoch: integer('epoch', 0, 0, MOST_EPOCH),
    seed: integer('seed', 0, 0, MOST_SEED),
    firstBatch: integer('firstBatch', 0, 0, MOST_SEED),
    training: requireBoolean(options.shuffle ?? split === 'train', 'shuffle'),
    skipCorrupt: requireBoolean(options.skipCorrupt ?? skipCorruptDefault, 'skipCorrupt'),
    workers:
      options.workers === undefined
        ? undefined
        : requireNumber(options.workers, 'workers', {
            integer: true,
            min: 1,
            max: MOST_WORKERS,
          }),
  };
  return {
    split,
    format: requireOneOf(options.format ?? 'uint8', 'format', ['uint8', 'float32']),
    signal: options.signal,
    open: (files) => openLoader({ ...pass, files }),
  };
}

/** One pass. The loader goes with the iteration, also when it is broken off. */
export async function* iterateBatches(
  plan: BatchPlan,
  files: () => Promise<NativeFileList>,
): AsyncGenerator<Batch, void, undefined> {
  const loader = plan.open(await files());
  try {
    for (;;) {
      const batch = await withCancel(plan.signal, (token) => loader.next(plan.format, token));
      if (batch === null) return;
      yield shaped(batch);
    }
  } finally {
    loader.dispose();
  }
}

function shaped({ images, count, size, ...rest }: NativeBatch): Batch {
  const { labels, indices, epoch, failures } = rest;
  return types.isUint8Array(images)
    ? { images, labels, indices, epoch, shape: [count, size, size, 3], failures }
    : { images, labels, indices, epoch, shape: [count, 3, size, size], failures };
}
