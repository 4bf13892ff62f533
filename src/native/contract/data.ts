/** Images: lists of files, decoding, loaders, and the caches of images and features. */

import type { NativeCancelToken, NativeDevice } from './device.js';

/** Paths and labels, handed to native code once. A byte of a path that is no UTF-8 is a lone surrogate (path-bytes.ts). */
export interface NativeFileList {
  readonly length: number;
  /** Adds files; with a spool, images of the file that all of the list lie in. `ERR_BUSY` once the list is in use. */
  append(paths: readonly string[], labels: Int32Array, spool?: NativeSpool): void;
  /** Adds images of another list. */
  appendFrom(list: NativeFileList, positions: Int32Array, labels: Int32Array): void;
  /** A list of the images at these positions, with labels of their own. */
  pick(positions: Int32Array, labels: Int32Array): NativeFileList;
  dispose(): void;
}

/**
 * Decoded pictures that stay in memory for the loaders that are given it. Made with a limit in bytes, or null for a
 * quarter of the memory that is available. What is stored stays until the cache is disposed of, and its loaders are done.
 */
export interface NativeImageCache {
  readonly limit: number;
  /** Pictures now stored; an image of which views are made at two reductions is two. */
  held(): { readonly images: number; readonly bytes: number };
  /**
   * How many images fit beside `others` bytes, and the most that their pictures take. `sizes`: width and height as
   * displayed, and 1 for a JPEG, for each image.
   */
  plan(sizes: Int32Array, crop: CropOptions, others: number): { readonly images: number; readonly bytes: number };
  dispose(): void;
}

export interface CropOptions {
  /** `center`: short side to `resize`, then the centre `size`×`size`. `random`: torchvision's RandomResizedCrop. */
  readonly kind: 'center' | 'random';
  /** Output side in pixels. */
  readonly size: number;
  /** Short side before a centre crop; not used by `random`. */
  readonly resize: number;
  /** Area share and aspect ratio ranges of `random`. */
  readonly scale: readonly [number, number];
  readonly ratio: readonly [number, number];
  /** Probability of a horizontal flip. */
  readonly flip: number;
  /** Probability of a vertical flip. Default 0. */
  readonly verticalFlip?: number;
}

type Range = readonly [number, number];

/** Something done with the pixels of a view, a row of native/data/view/transforms.cc; each is drawn for every view. */
export type NativeTransform =
  /** Factors, and of the hue turns of the circle; a range that is 1 twice (0 of the hue) leaves that out. */
  | {
      readonly name: 'colorJitter';
      readonly brightness: Range;
      readonly contrast: Range;
      readonly saturation: Range;
      readonly hue: Range;
    }
  | { readonly name: 'grayscale'; readonly probability: number }
  /** Area of the box as a share of the view's, and its height ÷ width. */
  | { readonly name: 'randomErasing'; readonly probability: number; readonly scale: Range; readonly ratio: Range };

/** What is made of an image. */
export interface ViewSpec {
  readonly crop: CropOptions;
  /** In the order in which they are made, each at most once. Default: none. */
  readonly transforms?: readonly NativeTransform[];
}

export type NativeFeatureCacheOptions = {
  /** Bytes of an entry; all are the same. */
  readonly entryBytes: number;
  /** Of the frozen prefix whose outputs are cached, 1 to all but the head. */
  readonly units: number;
} & (
  | { readonly mode: 'memory' /** Bytes that entries may take. */; readonly memoryLimit: number }
  | {
      readonly mode: 'disk';
      /** Of this store alone; it is made where it is missing. */
      readonly directory: string;
      /** Names the weights, the cut and the arithmetic that entries come from. Files of another key are not read. */
      readonly storeKey: string;
    }
);

export interface NativeFeatureCacheStats {
  /** Images of the batches that were trained on or evaluated: those whose features were there, and those computed. */
  readonly hits: number;
  readonly misses: number;
  /** What can be read now; on disk, what other processes had left is among it. */
  readonly entries: number;
  readonly bytes: number;
  /** Entries that were cut short or changed, and were dropped. */
  readonly damaged: number;
  /** Why nothing more is taken, or null. */
  readonly stopped: string | null;
}

/**
 * Outputs of the frozen prefix by file and view. Loaders read it, runs write it. It does not fail: a full disk or
 * memory ends its growth.
 */
export interface NativeFeatureCache {
  /** Takes up what is on disk. To be awaited before it is given to a loader. */
  open(): Promise<void>;
  stats(): NativeFeatureCacheStats;
  /** Waits until all is on disk; nothing more is taken. */
  close(): Promise<void>;
  dispose(): void;
}

export interface NativeLoaderOptions extends ViewSpec {
  readonly files: NativeFileList;
  readonly batchSize: number;
  readonly shuffle: boolean;
  /** Merge a last batch of one image into the one before (training). */
  readonly mergeLastSingle: boolean;
  readonly seed: number;
  readonly epoch: number;
  /** Decoding threads, at least 1. */
  readonly workers: number;
  /** Batches decoded ahead, at least 1. */
  readonly prefetch: number;
  /** Leave out files that fail (they are reported); otherwise the first failure rejects with `ERR_IMAGE_DECODE`. */
  readonly skipCorrupt: boolean;
  /** Batches to pass over, for a resumed epoch. */
  readonly firstBatch: number;
  /** Views of an image: in epoch e each has the augmentation of epoch e % views. 0: no limit. */
  readonly views: number;
  /** Images whose features are there are not decoded. Such a loader is for runs and evaluation: `next` is refused. */
  readonly cache: NativeFeatureCache | null;
  /** Where decoded pictures stay; views are the same with and without. */
  readonly imageCache?: NativeImageCache | null;
  /** The device that batches go to: for one of CUDA's they are decoded in pinned memory. Default `cpu`. */
  readonly device?: NativeDevice;
}

/** An image that could not be read, and why. */
export interface ImageFailure {
  /** Index in the file list. */
  readonly index: number;
  readonly path: string;
  readonly message: string;
}

export interface NativeBatch {
  /** `uint8`: NHWC bytes. `float32`: NCHW, `(x / 255 − mean) / deviation` with ImageNet's figures. */
  readonly images: Uint8Array | Float32Array;
  readonly labels: Int32Array;
  readonly indices: Int32Array;
  readonly count: number;
  readonly size: number;
  readonly epoch: number;
  readonly failures: readonly ImageFailure[];
}

/** One pass over a file list. Threads start with the first request, and stop when it is used up or disposed. */
export interface NativeLoader {
  /** Batches and images of the whole pass, `firstBatch` not deducted. */
  readonly batches: number;
  readonly images: number;
  /** Starts the threads ahead of the first request. */
  start(): void;
  next(format: 'uint8' | 'float32', cancel?: NativeCancelToken): Promise<NativeBatch | null>;
  dispose(): void;
}

/** A path, the bytes of an encoded image, or pixels with their shape. Bytes are copied. */
export type NativeImage =
  | string
  | Uint8Array
  | {
      readonly data: Uint8Array | Uint8ClampedArray;
      readonly width: number;
      readonly height: number;
      readonly channels: 1 | 3 | 4;
    };

/** Where the images of a list lie in one file, an entry an image. */
export interface NativeSpool {
  /** Of the open file; it is the caller's, and may be closed when the list is made. */
  readonly fd: number;
  /** Bytes from the beginning of the file. */
  readonly offsets: Float64Array;
  readonly lengths: Float64Array;
  /** Three an image: width, height and channels of pixels; zeros for an encoded image. */
  readonly shapes: Int32Array;
  /** 16 bytes an image, which name its contents. */
  readonly digests: Uint8Array;
}

export interface ScannedImage {
  readonly ok: boolean;
  /** Why not, when not ok. */
  readonly message: string;
  /** Pixels as displayed: EXIF orientation applied. 0 when not ok. */
  readonly width: number;
  readonly height: number;
  /** `jpeg`, `raw`, or libvips' name for the loader: `png`, `webp`, `gif`, `tiff`, `heif`, … */
  readonly format: string;
  /** Of the file. */
  readonly bytes: number;
  /** Hexadecimal, equal for equal images: of all bytes, or of a file of more than 512 KiB of its size, head and end. */
  readonly digest: string;
}
