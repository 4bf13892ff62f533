/** A training session: groups, optimizer, chunks of steps, what is saved of it. */

import type { Note } from '../../notes.js';
import type { ImageFailure, NativeLoader } from './data.js';
import type { NativeCancelToken } from './device.js';
import type { Compute, Floats, StoredTensor } from './model.js';
import type { NativeOptimizer } from './optimizer.js';

export interface NativeGroup {
  readonly name: string;
  /** Parameter names; a parameter is in one group at most. Those in none are frozen. */
  readonly parameters: readonly string[];
  readonly weightDecay: number;
}

/** A loss as plain data: `native/train/losses`. */
export interface NativeLoss {
  readonly name: string;
  /** 0 to 1, of `cross-entropy`; default 0. */
  readonly labelSmoothing?: number;
  /** 0 or more, of `focal`; default 0. */
  readonly gamma?: number;
  /** One an output of the model, above 0; without them all count alike. */
  readonly classWeights?: Float64Array;
}

export interface NativeSessionOptions {
  readonly groups: readonly NativeGroup[];
  readonly optimizer: NativeOptimizer;
  /** Default: cross-entropy. */
  readonly loss?: NativeLoss;
  /** The most that the norm of all gradients together may be, above 0: larger ones are scaled down. Default: any. */
  readonly clipNorm?: number;
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
  /** Steps among these that changed nothing, since scaled gradients overflowed; 0 but in fp16. */
  readonly skippedSteps: number;
  /** What was met since the last chunk, such as `step-not-recorded`. */
  readonly notes: readonly Note[];
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
   * Runs up to 64 steps. A loss or a gradient that is not finite rejects with `ERR_NON_FINITE` before weights or running
   * statistics are changed by it, as does what frozen units make of an image, by its name; the steps of the chunk that
   * came before are answered first, and the next call rejects.
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
  ): Promise<{
    readonly loss: number;
    readonly correct: number;
    /** Whether it changed nothing, since scaled gradients overflowed. */
    readonly skipped: boolean;
    /** What was met since the last step. */
    readonly notes: readonly Note[];
  }>;
  /** Forward in training mode and backward, without a step; answers every trainable parameter's gradient. */
  gradients(
    images: Floats,
    shape: readonly [number, number, number, number],
    labels: Int32Array,
  ): Promise<{ readonly loss: number; readonly gradients: Readonly<Record<string, Floats>> }>;
  /** One optimizer step with gradients of the caller's, by parameter name; those not named have no gradient. */
  apply(gradients: Readonly<Record<string, Floats>>, rates: Float64Array): Promise<void>;
  /** ‖w − w₀‖ / ‖w₀‖ of each unit of the model since the session began; 0 for a unit with nothing trainable. */
  drift(): Promise<Float64Array>;
  /** Copies what the session changes of the model, in the place of an earlier copy. */
  keepWeights(): Promise<void>;
  /** Gives the model what `keepWeights` copied, and lets go of the copy. */
  restoreWeights(): Promise<void>;
  /**
   * Writes safetensors files, each atomically and in this order. What they hold is taken at once, before any step that is
   * asked for after this call; steps go on while the disk writes.
   */
  save(files: readonly NativeFileToSave[]): Promise<void>;
  /** Reads what `save` wrote as `state`; `ERR_CHECKPOINT` for values that are not finite, by tensor. */
  loadState(path: string, tensors: readonly StoredTensor[]): Promise<void>;
  /** Bytes of optimizer state and gradients now held. */
  memory(): Promise<{ readonly stateBytes: number; readonly gradientBytes: number }>;
  /** What was asked for before is done yet, and the model is taken until then. Idempotent. */
  dispose(): void;
}
