/** A model: its tensors, its forward pass, its evaluation. */

import type { HeadShape } from '../../model/head-shape.js';
import type { Compute, NativeCancelToken, NativeDevice } from './device.js';
import type { NativeEvaluateOptions, NativeEvaluation } from './evaluation.js';

/** The dtype in which a model's weights are kept and, unless `compute` says otherwise, computed. */
export type ModelDtype = 'float32' | 'float64';

export type { Compute } from './device.js';

/** A dtype as safetensors names it. */
export type StoredDtype = 'F64' | 'F32' | 'F16' | 'BF16' | 'I64' | 'I32' | 'I16' | 'I8' | 'U8' | 'BOOL';

/** A tensor that lies in a file, little-endian. `offset` and `length` are bytes of that file. */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  readonly offset: number;
  /** Up to behind the last element. */
  readonly length: number;
  /** Elements from one index to the next, by axis; without it the tensor is contiguous, row-major. */
  readonly strides?: readonly number[];
}

/** What goes into a tensor of a model. */
export interface TensorToLoad extends StoredTensor {
  /**
   * For each index of the model's first axis, the index of the file's that goes there, or -1 to leave it as it is.
   * Without it the shapes must be equal.
   */
  readonly rows?: Int32Array;
}

export interface NativeModelOptions extends HeadShape {
  /** A member of torchvision's ResNet family by its name there, such as `resnet50`; another is `ERR_INVALID_ARGUMENT`. */
  readonly arch: string;
  readonly dtype: ModelDtype;
  readonly device: NativeDevice;
  /** Seeds torchvision's initialisation (Kaiming normal, fan out; PyTorch's default for linear layers). */
  readonly seed: number;
}

/** Floats of the model's own dtype. */
export type Floats = Float32Array | Float64Array;

/** A network of torchvision's ResNet family with its names. Every method but `dispose` is refused with `ERR_DISPOSED` after `dispose`. */
export interface NativeModel {
  /** Names and shapes of all parameters and buffers, in torchvision's order of `state_dict()`. */
  tensors(): readonly {
    readonly name: string;
    readonly shape: readonly number[];
    readonly kind: 'parameter' | 'buffer';
  }[];
  /**
   * Takes the memory of the tensors on the model's device, which it starts where nobody has: `ERR_OUT_OF_MEMORY` where
   * there is none. The calls below do so by themselves. Making a model waits for no device.
   */
  allocate(): Promise<void>;
  /**
   * Copies tensors of a file into the tensors of the same names, converting the dtype. Values that are not finite in the
   * model's dtype, and variances below zero, reject with `ERR_WEIGHTS_FORMAT`, by tensor; what was copied before that, or
   * before it was cancelled, stays.
   */
  load(path: string, tensors: readonly TensorToLoad[], cancel?: NativeCancelToken): Promise<void>;
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
  /** Writes one tensor, row-major; refused as `load` refuses. */
  write(name: string, values: Floats): Promise<void>;
  /**
   * Evaluation mode. `images` is normalised NCHW; answers row-major `[n, classes]` logits, `[n, features]` after the
   * global average pool, or the `[n, c, h, w]` that a unit of the backbone puts out: `output` is `logits`, `features` or the unit's name. Computed by the compiled
   * network, or with `eager` operation by operation, as PyTorch does it and slower: what the compiled form is held against.
   * Images or answers that are not finite reject with `ERR_NON_FINITE`, by image and unit.
   */
  forward(
    images: Floats,
    shape: readonly [number, number, number, number],
    o: { readonly output: string; readonly compute: Compute; readonly eager?: boolean },
    cancel?: NativeCancelToken,
  ): Promise<Floats>;
  /** Logits or a loss that are not finite reject with `ERR_NON_FINITE`, by image. */
  evaluate(o: NativeEvaluateOptions, cancel?: NativeCancelToken): Promise<NativeEvaluation>;
  /**
   * Writes all tensors as safetensors (in `dtype`, by default the model's own; `num_batches_tracked` int64), atomically:
   * temporary file in the same folder, fsync, rename, fsync of the folder. `metadata` goes to `__metadata__`.
   * With a `dtype`, a value that is not finite in it rejects with `ERR_NON_FINITE`, and nothing is written.
   */
  save(path: string, metadata: Readonly<Record<string, string>>, dtype?: 'float32' | 'float16'): Promise<void>;
  /**
   * 32 hexadecimal digits over the names, shapes and every byte of the tensors (BatchNorm's included) of the first
   * `units` units, 1 to all but the head.
   */
  prefixHash(units: number): Promise<string>;
  /** Frees the tensors once the work that uses them is done. Idempotent. */
  dispose(): void;
}
