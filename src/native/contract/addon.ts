/**
 * The whole boundary between TypeScript and the native addon, written by hand, a subject a file. Nothing else in `src/`
 * describes native code, and `load.ts` is the only place that loads it. Everything here is validated again in native code,
 * but callers should be given better messages before they reach it.
 */

import type { ResnetTorchError } from '../../errors.js';
import type {
  NativeFeatureCache,
  NativeFeatureCacheOptions,
  NativeFileList,
  NativeImageCache,
  NativeLoader,
  NativeLoaderOptions,
  NativeSpool,
  ScannedImage,
} from './data.js';
import type { NativeCancelToken, NativeCudaStatus, NativeDevice, NativeInfo } from './device.js';
import type { NativeModel, NativeModelOptions } from './model.js';
import type { NativePredictor, NativePredictorOptions } from './predictor.js';
import type { NativeProfileEntry } from './profile.js';
import type { NativeSession, NativeSessionOptions } from './session.js';

export interface NativeBinding {
  /**
   * The libtorch that the addon was compiled against, and the one it met, which is the one that is already in the process
   * where there is one. Of all functions this alone may be called where they differ.
   */
  libtorchVersions(): { readonly compiled: string; readonly runtime: string };
  /** Must be called once in each environment, before anything else. `vips`: path of libvips' shared library, or null. */
  initialize(o: { readonly errorClass: typeof ResnetTorchError; readonly vips: string | null }): void;
  info(): NativeInfo;
  /**
   * Has the driver asked for devices on a thread of its own: the first time takes some tenths of a second, which
   * `cudaStatus` and the making of a model on a device would else wait for.
   */
  askCuda(): Promise<void>;
  /** `null` in the CPU variant. Nothing is started on a device for it. */
  cudaStatus(): NativeCudaStatus | null;
  /** Threads for tensor arithmetic, process-wide, from the next unit of work on. */
  setThreads(threads: number): void;
  /**
   * Stops all tensor work of the process and joins its threads, within ten seconds. For the `exit` event of the main
   * thread alone: cleanup hooks do not run on `process.exit()` or an uncaught throw. Work asked for later rejects.
   */
  shutdown(): void;
  readonly CancelToken: new () => NativeCancelToken;
  readonly Model: new (o: NativeModelOptions) => NativeModel;
  readonly Session: new (model: NativeModel, o: NativeSessionOptions) => NativeSession;
  /** With a spool the paths are but names, which messages give and which must differ. */
  readonly FileList: new (
    paths: readonly string[],
    labels: Int32Array,
    spool?: NativeSpool,
  ) => NativeFileList;
  readonly FeatureCache: new (o: NativeFeatureCacheOptions) => NativeFeatureCache;
  readonly ImageCache: new (limit: number | null) => NativeImageCache;
  readonly Loader: new (o: NativeLoaderOptions) => NativeLoader;
  readonly Predictor: new (model: NativeModel, o: NativePredictorOptions) => NativePredictor;
  /** Reads headers (and, in JPEGs, looks for the end marker) on `workers` threads. `progress` gets the files done. */
  scanImages(
    paths: readonly string[] | NativeFileList,
    o: { readonly workers: number; readonly progress?: (done: number) => void },
    cancel?: NativeCancelToken,
  ): Promise<readonly ScannedImage[]>;
  /**
   * Takes the exclusive lock of an open file (flock) where nobody has it, and answers at once. The lock goes when the
   * descriptor is closed or the process ends. `unsupported`: the file system knows no locks.
   */
  tryLock(descriptor: number): 'taken' | 'held' | 'unsupported';
  /**
   * Records what a device computes from the next unit of work of its executor on, until `stopProfile`, for the benchmark: where
   * time goes, at some cost of speed. Of a CUDA device that is its kernels and copies, of the CPU operations.
   */
  startProfile(device: NativeDevice): Promise<void>;
  /** Sums by name, the largest first. */
  stopProfile(device: NativeDevice): Promise<readonly NativeProfileEntry[]>;
}
