import { floatsOf } from '../bytes.js';
import type { NativeDevice } from '../native/contract/device.js';
import type { Floats, ModelDtype, NativeModel } from '../native/contract/model.js';
import { native, withCancel } from '../native/load.js';
import type { Note } from '../notes.js';
import { checkOptions, requireOneOf } from '../options.js';
import type { ArchitectureName } from './architecture.js';
import { type Metadata, writeMetadata } from './checkpoint-metadata.js';
import { type CreateOptions, createParts } from './create.js';
import { type BatchNormPolicy, type FreezePlan, type FreezeRule, resolveFreeze } from './freeze.js';
import type { HeadShape } from './head-shape.js';
import { type LoadOptions, loadParts } from './load.js';
import type { ModelParts } from './parts.js';
import { PRECISIONS, type Precision, resolveCompute } from './precision.js';
import { describeUnits, type UnitInfo } from './units.js';
import { UseLocks } from './use-locks.js';
import type { Preprocessing, TransformMetadata } from './weights/index.js';

/** Images, channels (red, green, blue), height, width. Sides are at least 32. */
export type Shape4D = readonly [n: number, c: 3, height: number, width: number];

/** Row-major numbers in the model's dtype. */
export interface Tensor2D {
  readonly data: Floats;
  readonly shape: readonly [rows: number, columns: number];
}

/** How one call computes. */
export interface CallOptions {
  /** Default `fp32`: the model's own dtype, whatever the processor is fast at. */
  readonly precision?: Precision;
  readonly signal?: AbortSignal;
}

/**
 * A network of torchvision's ResNet family, with its module names and arithmetic, and a head for any number of classes. The
 * bottlenecks are those of v1.5, with the stride in the 3×3 convolution.
 */
export class ResNet {
  readonly #parts: ModelParts;
  readonly #units: readonly UnitInfo[];
  #classes: readonly string[];
  #freeze: {
    readonly rule: FreezeRule;
    readonly batchNorm: BatchNormPolicy;
    readonly plan: FreezePlan;
  } | null = null;
  #transform: TransformMetadata | null;
  #strategy: string | null;
  readonly #locks: UseLocks;

  /** @internal */
  protected constructor(parts: ModelParts) {
    this.#parts = parts;
    this.#locks = new UseLocks(() => parts.handle.dispose());
    this.#units = describeUnits(parts.head, parts.arch);
    this.#classes = parts.classes;
    this.#transform = parts.transform;
    this.#strategy = parts.strategy;
  }

  /**
   * A model with published weights, weights of a file, or random ones, and a head for these classes. The head of the
   * weights is taken where it has the same layers: its outputs by class name where both have names, else by position.
   * Otherwise it starts from random values. `notes` says which.
   *
   * @throws ERR_INVALID_ARGUMENT for options out of range; ERR_WEIGHTS_UNAVAILABLE when named weights cannot be had;
   *   ERR_WEIGHTS_FORMAT when a file is no weights file or a weight in it is not finite; ERR_SHAPE_MISMATCH when it is of
   *   another network; ERR_CUDA_UNAVAILABLE; the signal's reason
   */
  static async create(options: CreateOptions): Promise<ResNet> {
    return new ResNet(await createParts(options));
  }

  /**
   * A model as it was saved: a run directory stands for its best checkpoint; a weights file with a head is taken as it
   * is: torchvision's `fc`, or one linear layer named `classifier`, `head` or `last_linear`. A file with one output, of
   * a sigmoid, becomes a model of the two classes that `classes` then names, that for 0 first.
   *
   * @throws ERR_CHECKPOINT when there is no such model; ERR_WEIGHTS_FORMAT when a file is no weights file, has no head
   *   that can be read, or a weight in it is not finite; ERR_SHAPE_MISMATCH when it is of another network;
   *   ERR_INVALID_ARGUMENT for names that are not as many as the outputs; the signal's reason
   */
  static async load(checkpointOrRun: string, options: LoadOptions = {}): Promise<ResNet> {
    return new ResNet(await loadParts(checkpointOrRun, options));
  }

  /** The member of the family that it is. */
  get arch(): ArchitectureName {
    return this.#parts.arch;
  }

  /** Class names in the order of the outputs. */
  get classes(): readonly string[] {
    return this.#classes;
  }

  /** Whether `classes` are names, and not just the indices. */
  get classesAreNamed(): boolean {
    return this.#parts.classesAreNamed || this.#classes !== this.#parts.classes;
  }

  get head(): HeadShape {
    return this.#parts.head;
  }

  get dtype(): ModelDtype {
    return this.#parts.dtype;
  }

  /** `cpu` or `cuda:N`. */
  get device(): NativeDevice {
    return this.#parts.device;
  }

  /** How the weights were loaded, where it is not plain: where in the file they were, that the head was not loaded. */
  get notes(): readonly Note[] {
    return this.#parts.notes;
  }

  /** Where the weights came from: a name, a path, or `random`. */
  get weights(): string {
    return this.#parts.weights;
  }

  /** How the publisher of the weights, or the run that made them, prepares images for evaluation, where it is known. */
  get preprocessing(): Preprocessing | null {
    return this.#parts.preprocessing;
  }

  /** How images became input when the model was trained, or null when it was not. */
  get transform(): TransformMetadata | null {
    return this.#transform;
  }

  /** The strategy that the model was last trained with. */
  get strategy(): string | null {
    return this.#strategy;
  }

  /** What `freeze()` was told; null when it was not called, or taken back by `unfreeze()`. */
  get frozen(): {
    readonly rule: FreezeRule;
    readonly batchNorm: BatchNormPolicy;
    readonly plan: FreezePlan;
  } | null {
    return this.#freeze;
  }

  /** The parts of the network in order, from the stem to the head, with their parameters. */
  units(): readonly UnitInfo[] {
    return this.#units;
  }

  /**
   * What stands still in the trainings to come. The rule and the BatchNorm policy are used in place of a strategy's;
   * options of `train()` or of a session come before both. A further call replaces the one before: `freeze('none')` lets
   * everything train, with BatchNorm's statistics too, whatever the strategy freezes.
   *
   * @throws ERR_INVALID_ARGUMENT for a rule that is unknown, matches nothing, or leaves nothing to train
   */
  freeze(rule: FreezeRule, options: { readonly batchNorm?: BatchNormPolicy } = {}): this {
    const plan = resolveFreeze(this.#units, rule, options);
    this.#freeze = { rule, batchNorm: options.batchNorm ?? 'follow', plan };
    return this;
  }

  /**
   * Takes `freeze()` back, its BatchNorm policy too: nothing of the model's own stands still, and a strategy's rule is
   * used again. Weights that were frozen are as they were.
   */
  unfreeze(): this {
    this.#freeze = null;
    return this;
  }

  /**
   * Logits, in evaluation mode.
   *
   * @param images normalised, row-major: `(x / 255 − mean) / std` with ImageNet's figures, by channel
   * @returns [n, classes]
   */
  forward(images: Floats, shape: Shape4D, options: CallOptions = {}): Promise<Tensor2D> {
    return this.#run('logits', images, shape, options);
  }

  /**
   * What the head sees, in evaluation mode: the output of the global average pool.
   *
   * @returns [n, features], of which there are 512 in a resnet18 or resnet34 and 2048 in the others
   */
  features(images: Floats, shape: Shape4D, options: CallOptions = {}): Promise<Tensor2D> {
    return this.#run('features', images, shape, options);
  }

  async #run(output: 'logits' | 'features', images: Floats, shape: Shape4D, o: CallOptions): Promise<Tensor2D> {
    checkOptions(o, ['precision', 'signal'], output === 'logits' ? 'forward()' : 'features()');
    const precision = requireOneOf(o.precision ?? 'fp32', 'precision', PRECISIONS);
    this.#locks.refuseDisposed();
    const own = precision === 'fp32' && this.dtype === 'float64';
    const compute = own ? 'dtype' : resolveCompute(precision, this, native());
    const values = floatsOf(images, 'images');
    const data = await withCancel(o.signal, (token) => this.handle.forward(values, shape, { output, compute }, token));
    return { data, shape: [shape[0], data.length / shape[0]] };
  }

  /**
   * Writes a checkpoint, atomically: safetensors with torchvision's names. The class names, the head and versions go
   * into its metadata.
   *
   * @throws ERR_FILE when it cannot be written
   */
  async save(path: string, metadata: Metadata = {}): Promise<void> {
    this.#locks.refuseDisposed();
    await this.handle.save(path, this.checkpointMetadata(metadata));
  }

  /** @internal What a checkpoint says of itself. */
  checkpointMetadata(metadata: Metadata): Readonly<Record<string, string>> {
    return writeMetadata(this, metadata);
  }

  /**
   * Frees the weights, once calls that use them are done. Idempotent.
   *
   * @throws ERR_BUSY while the model is being trained
   */
  dispose(): void {
    this.#locks.dispose();
  }

  /** `dispose()`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  /** @internal The native model. */
  get handle(): NativeModel {
    return this.#parts.handle;
  }

  /**
   * @internal Keeps the model from being disposed of or trained by another; the answer ends that.
   * @throws ERR_BUSY when it is kept already, ERR_DISPOSED
   */
  acquire(user: string): () => void {
    return this.#locks.acquire(user);
  }

  /**
   * @internal Keeps the weights for work of several native calls, whatever is disposed of meanwhile; the answer ends that.
   * @throws ERR_DISPOSED
   */
  use(): () => void {
    return this.#locks.use();
  }

  /** @internal Training gives indices the data set's names, and says how images became input. */
  learned(o: {
    readonly classes?: readonly string[];
    readonly transform: TransformMetadata;
    readonly strategy: string;
  }): void {
    if (o.classes !== undefined) this.#classes = o.classes;
    this.#transform = o.transform;
    this.#strategy = o.strategy;
  }
}
