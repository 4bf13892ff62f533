/**
 * The whole boundary between TypeScript and the native addon, written by hand. Nothing else in `src/` describes native
 * code, and `load.ts` is the only place that loads it. Everything here is validated again in native code, but callers
 * should be given better messages before they reach it.
 */

import type { ResnetTorchError } from '../errors.js';
import type { UnitName } from '../model/units.js';

/** Where tensors live. `cuda` variants answer `cuda:N`. */
export type NativeDevice = 'cpu' | `cuda:${number}`;

/** The dtype in which a model's weights are kept and, unless `compute` says otherwise, computed. */
export type ModelDtype = 'float32' | 'float64';

/**
 * `dtype`: arithmetic in the model's own dtype. `bf16`, `fp16`: bfloat16 or float16 arithmetic over float32 weights;
 * `fp16` on CUDA devices alone.
 */
export type Compute = 'dtype' | 'bf16' | 'fp16';

/** A dtype as safetensors names it. */
export type StoredDtype = 'F64' | 'F32' | 'F16' | 'BF16' | 'I64' | 'I32' | 'I16' | 'I8' | 'U8' | 'BOOL';

/** A tensor that lies in a file, little-endian, contiguous, row-major. `offset` and `length` are bytes of that file. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly length: number;
}

export interface NativeInfo {
  /** The libtorch that the addon was compiled against and the one it met at run time, such as `2.13.0`. */
  readonly compiledLibtorch: string;
  readonly runtimeLibtorch: string;
  readonly variant: 'cpu' | 'cuda';
  /** `true` where bfloat16 arithmetic is faster than float32: avx512_bf16 or AMX. */
  readonly fastBf16: boolean;
  /** Threads that tensor arithmetic uses. */
  readonly threads: number;
  /** Cores this process may run on. */
  readonly cores: number;
  readonly cudaDevices: number;
}

/** Compute capability of a CUDA device: `[8, 6]`. */
export type ComputeCapability = readonly [major: number, minor: number];

export interface NativeCudaDevice {
  readonly name: string;
  readonly capability: ComputeCapability;
  readonly memoryBytes: number;
}

/** What CUDA's runtime answers when it is asked for devices. */
export interface NativeCudaStatus {
  /** `cudaError_t` of asking for devices, 0 for none, and CUDA's words for it. */
  readonly error: number;
  readonly errorText: string;
  /** The newest CUDA that the driver serves, and the CUDA of the libtorch: 13000 for 13.0. 0 without a driver. */
  readonly driver: number;
  readonly runtime: number;
  /** 92400 for 9.24.0, 0 where libtorch is without it. */
  readonly cudnn: number;
  /** What the kernels were compiled for. Each serves its major version from its minor version up. */
  readonly architectures: readonly ComputeCapability[];
  readonly devices: readonly NativeCudaDevice[];
}

/** Cancels what it was handed to. The call then rejects with `ERR_ABORTED`. */
export interface NativeCancelToken {
  cancel(): void;
}

/** What stands in the place of torchvision's `fc`. */
export interface HeadShape {
  readonly classes: number;
  /** Hidden layer widths in order; empty for one linear layer named `fc`. */
  readonly hidden: readonly number[];
  /** Dropout probability after each hidden ReLU, 0 ≤ p < 1. */
  readonly dropout: number;
}

export interface NativeModelOptions extends HeadShape {
  readonly dtype: ModelDtype;
  readonly device: NativeDevice;
  /** Seeds torchvision's initialisation (Kaiming normal, fan out; PyTorch's default for linear layers). */
  readonly seed: number;
}

/** Floats of the model's own dtype. */
export type Floats = Float32Array | Float64Array;

export interface NativeEvaluateOptions {
  readonly loader: NativeLoader;
  readonly compute: Compute;
  /** Stop after so many batches; the loader keeps its place. */
  readonly maxBatches: number;
}

/** Sums over the batches of one call; add them up over calls. */
export interface NativeEvaluation {
  readonly batches: number;
  readonly images: number;
  readonly lossSum: number;
  readonly top1: number;
  /** Images whose label is among the five likeliest; equals `images` where there are at most five classes. */
  readonly top5: number;
  /** Data set indices of the images seen, and the class predicted for each. */
  readonly indices: Int32Array;
  readonly predictions: Int32Array;
  readonly failures: readonly ImageFailure[];
  /** `true` when the loader has no further batch. */
  readonly exhausted: boolean;
}

/** A ResNet-50 with torchvision's names. Every method but `dispose` is refused with `ERR_DISPOSED` after `dispose`. */
export interface NativeModel {
  /** Names and shapes of all parameters and buffers, in torchvision's order of `state_dict()`. */
  tensors(): readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly kind: 'parameter' | 'buffer';
  }[];
  /** Copies tensors of a file into the tensors of the same names, converting the dtype. Shapes must be equal. */
  load(path: string, tensors: readonly StoredTensor[]): Promise<void>;
  /** Reads one tensor, row-major, in the model's dtype (integer buffers too), or in the one that is asked for. */
  read(name: string): Promise<Floats>;
  read(name: string, dtype: 'float32'): Promise<Float32Array>;
  read(name: string, dtype: 'float64'): Promise<Float64Array>;
  /**
   * A convolution and the BatchNorm behind it in evaluation mode as one convolution with a bias, by their module names;
   * taken in float64 and rounded once to float32. `weight` is row-major [out, in, k, k].
   */
  readFolded(
    convolution: string,
    norm: string,
  ): Promise<{ readonly weight: Float32Array; readonly bias: Float32Array }>;
  /** Writes one tensor, row-major. */
  write(name: string, values: Floats): Promise<void>;
  /**
   * Evaluation mode. `images` is normalised NCHW; answers row-major `[n, classes]` logits, `[n, 2048]` features (after
   * the global average pool), or the `[n, c, h, w]` that a unit of the backbone puts out. Computed by the compiled
   * network, or with `eager` operation by operation, as PyTorch does it and slower: what the compiled form is held against.
   */
  forward(
    images: Floats,
    shape: readonly [number, number, number, number],
    o: { readonly output: 'logits' | 'features' | UnitName; readonly compute: Compute; readonly eager?: boolean },
    cancel?: NativeCancelToken,
  ): Promise<Floats>;
  evaluate(o: NativeEvaluateOptions, cancel?: NativeCancelToken): Promise<NativeEvaluation>;
  /**
   * Writes all tensors as safetensors (in `dtype`, by default the model's own; `num_batches_tracked` int64), atomically:
   * temporary file in the same folder, fsync, rename, fsync of the folder. `metadata` goes to `__metadata__`.
   * With a `dtype`, a value that is not finite in it rejects with `ERR_NON_FINITE`, and nothing is written.
   */
  save(path: string, metadata: Readonly<Record<string, string>>, dtype?: 'float32' | 'float16'): Promise<void>;
  /**
   * 32 hexadecimal digits over the names, shapes and every byte of the tensors (BatchNorm's included) of the first
   * `units` units, 1 to 17.
   */
  prefixHash(units: number): Promise<string>;
  /** Frees the tensors once the work that uses them is done. Idempotent. */
  dispose(): void;
}

export interface NativeGroup {
  readonly name: string;
  /** Parameter names; a parameter is in one group at most. Those in none are frozen. */
  readonly parameters: readonly string[];
  readonly weightDecay: number;
}

/** An optimizer as plain data; rates and weight decay belong to the groups. */
export type NativeOptimizer =
  | { readonly kind: 'sgd'; readonly momentum: number; readonly dampening: number; readonly nesterov: boolean }
  | { readonly kind: 'adam' | 'adamw'; readonly beta1: number; readonly beta2: number; readonly eps: number };

export interface NativeSessionOptions {
  readonly groups: readonly NativeGroup[];
  readonly optimizer: NativeOptimizer;
  /** BatchNorm modules (`layer1.0.bn1`, `layer1.0.downsample.1`) that use batch statistics and update the running ones. */
  readonly batchNormTraining: readonly string[];
  readonly compute: Compute;
  /** What losses in fp16 are multiplied by; without one the scale follows the gradients, as torch.amp.GradScaler's. */
  readonly lossScale?: number;
  /** Records a step as a CUDA graph and replays it; refused on the CPU. Default false. */
  readonly cudaGraph?: boolean;
  /** Images of a batch for which cuDNN is to search for algorithms, 0 (the default) for none. */
  readonly searchedBatch?: number;
  /** Addresses dropout masks, with the epoch and sample index of each image. */
  readonly seed: number;
  /**
   * Autograd over the whole network, in place of the compiled prefix and the written-out backward: slower, and what
   * those are held against. Default false.
   */
  readonly autograd?: boolean;
  /** Of the images that `run` makes on a device, 3 or 4: for measuring. Default 4 on a device; the CPU takes 3. */
  readonly imageChannels?: 3 | 4;
}

/** Where the randomness of a batch (dropout) is addressed: its epoch, and the data set index of each image. */
export interface NativeAddress {
  readonly epoch: number;
  readonly samples: Int32Array;
}

export interface NativeRunOptions {
  readonly loader: NativeLoader;
  /** Learning rates, row-major `[steps × groups]`, 1 to 64 rows. A batch takes a row, an empty batch too. */
  readonly rates: Float64Array;
}

export interface NativeChunk {
  /** Batches taken, at most the rows of rates; fewer when the loader ran out or the chunk was paused. */
  readonly steps: number;
  /** Mean loss, images and correct predictions (in training mode) of each of these; an empty batch has 0 images. */
  readonly losses: Float64Array;
  readonly images: Int32Array;
  readonly correct: Int32Array;
  readonly failures: readonly ImageFailure[];
  readonly exhausted: boolean;
  /**
   * Milliseconds in which nothing was computed since the loader had nothing, and those of the steps. A device is still at
   * steps while the loader is waited for: that is theirs.
   */
  readonly waitMs: number;
  readonly stepMs: number;
}

export interface NativeFileToSave {
  readonly path: string;
  /**
   * The model, as `Model.save` writes it; the same with the weights that it had at `keepWeights`, whose copy is let go of;
   * the optimizer's state (`<parameter>.<state>`).
   */
  readonly holds: 'model' | 'kept' | 'state';
  readonly metadata: Readonly<Record<string, string>>;
}

/** Trains the parameters of its groups. One session a model at a time; a second is refused with `ERR_BUSY`. */
export interface NativeSession {
  /**
   * Runs up to 64 steps. A loss that is not finite rejects with `ERR_NON_FINITE` before weights are changed by it; the
   * steps of the chunk that came before are answered first, and the next call rejects.
   * Unlike elsewhere, the token does not reject: it ends the chunk after the step that runs, and the steps made so far
   * are answered (none, where it was set before), so that a run can stop, save and go on from there.
   */
  run(o: NativeRunOptions, cancel?: NativeCancelToken): Promise<NativeChunk>;
  /** One step on normalised NCHW images of the caller's. `rates`: one a group. Without an address, samples are counted. */
  step(
    images: Floats,
    shape: readonly [number, number, number, number],
    labels: Int32Array,
    rates: Float64Array,
    address?: NativeAddress,
  ): Promise<{ readonly loss: number; readonly correct: number }>;
  /** Forward in training mode and backward, without a step; answers every trainable parameter's gradient. */
  gradients(
    images: Floats,
    shape: readonly [number, number, number, number],
    labels: Int32Array,
  ): Promise<{ readonly loss: number; readonly gradients: Readonly<Record<string, Floats>> }>;
  /** One optimizer step with gradients of the caller's, by parameter name; those not named have no gradient. */
  apply(gradients: Readonly<Record<string, Floats>>, rates: Float64Array): Promise<void>;
  /** ‖w − w₀‖ / ‖w₀‖ of each of the 18 units since the session began; 0 for a unit with nothing trainable. */
  drift(): Promise<Float64Array>;
  /** Copies what the session changes of the model, in the place of an earlier copy. */
  keepWeights(): Promise<void>;
  /**
   * Writes safetensors files, each atomically and in this order. What they hold is taken at once, before any step that is
   * asked for after this call; steps go on while the disk writes.
   */
  save(files: readonly NativeFileToSave[]): Promise<void>;
  /** Reads what `save` wrote as `state`. */
  loadState(path: string, tensors: readonly StoredTensor[]): Promise<void>;
  /** Bytes of optimizer state and gradients now held. */
  memory(): Promise<{ readonly stateBytes: number; readonly gradientBytes: number }>;
  dispose(): void;
}

/** Paths and labels, handed to native code once. */
export interface NativeFileList {
  readonly length: number;
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
}

export type NativeFeatureCacheOptions = {
  /** Bytes of an entry; all are the same. */
  readonly entryBytes: number;
  /** Of the frozen prefix whose outputs are cached, 1 to 17. */
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

export interface NativeLoaderOptions {
  readonly files: NativeFileList;
  readonly crop: CropOptions;
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

export interface NativePredictorOptions {
  readonly compute: Compute;
  readonly crop: CropOptions;
  /** Decoding threads, at least 1. */
  readonly workers: number;
  readonly maxBatch: number;
  /** Milliseconds that an image waits for others while the device is free. */
  readonly maxDelayMs: number;
  readonly maxPixels: number;
}

export interface NativePrediction {
  /** [topK], likeliest first, and their softmax probabilities. */
  readonly classes: Int32Array;
  readonly probabilities: Float32Array;
  /** [2048] where they were asked for. */
  readonly features: Float32Array | null;
}

/** Classifies images as they come, those that wait at the same time in one batch, ahead of training. */
export interface NativePredictor {
  /** `name`: what the image is called in messages. A cancelled call is answered when its turn comes. */
  predict(
    image: NativeImage,
    o: { readonly name: string; readonly topK: number; readonly features: boolean },
    cancel?: NativeCancelToken,
  ): Promise<NativePrediction>;
  /** Images under way; batches and images computed so far. */
  stats(): { readonly waiting: number; readonly batches: number; readonly images: number };
  /** What waits is rejected with `ERR_DISPOSED`. Idempotent. */
  dispose(): void;
}

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
}

/** What ran under one name while a profile was recorded. */
export interface NativeProfileEntry {
  readonly name: string;
  /** A kernel or a copy of a device; else an operation of the executor's thread, without those that it called. */
  readonly onDevice: boolean;
  readonly count: number;
  readonly ms: number;
}

export interface NativeBinding {
  /**
   * The libtorch that the addon was compiled against, and the one it met, which is the one that is already in the process
   * where there is one. Of all functions this alone may be called where they differ.
   */
  libtorchVersions(): { readonly compiled: string; readonly runtime: string };
  /** Must be called once in each environment, before anything else. `vips`: path of libvips' shared library, or null. */
  initialize(o: { readonly errorClass: typeof ResnetTorchError; readonly vips: string | null }): void;
  info(): NativeInfo;
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
   * Records what the executor of a device computes from its next unit of work on, until `stopProfile`, for the benchmark: where
   * time goes, at some cost of speed.
   */
  startProfile(device: NativeDevice): Promise<void>;
  /** Sums by name, the largest first. */
  stopProfile(device: NativeDevice): Promise<readonly NativeProfileEntry[]>;
}
