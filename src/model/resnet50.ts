import { floatsOf } from '../bytes.js';
import { ResnetTorchError } from '../errors.js';
import type { NativeDevice } from '../native/contract/device.js';
import type { Floats, ModelDtype, NativeModel } from '../native/contract/model.js';
import { native, withCancel } from '../native/load.js';
import type { Note } from '../notes.js';
import { checkOptions, requireOneOf } from '../options.js';
import { packageVersion } from '../version.js';
import { type BatchNormPolicy, type FreezePlan, type FreezeRule, resolveFreeze } from './freeze.js';
import type { HeadShape } from './head-shape.js';
import { type CreateOptions, createParts, type LoadOptions, loadParts, type ModelParts } from './load-model.js';
import { PRECISIONS, type Precision, resolveCompute } from './precision.js';
import { describeUnits, type UnitInfo } from './units.js';
import { CHECKPOINT_FORMAT, type Preprocessing, type TransformMetadata } from './weights/index.js';

export type { CreateOptions, LoadOptions } from './load-model.js';

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

/** What a checkpoint says of itself, beside the class names and the head. */
export interface Metadata {
  /** How images become input; default: what the model was trained or loaded with. */
  readonly transform?: TransformMetadata;
  readonly strategy?: string;
  /** Further keys. */
  readonly extra?: Readonly<Record<string, string>>;
}

/** ResNet-50 v1.5 with torchvision's module names and arithmetic, and a head for any number of classes. */
export class ResNet50 {
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
  #user: string | null = null;
  #uses = 0;
  #disposed = false;

  private constructor(parts: ModelParts) {
    this.#parts = parts;
    this.#units = describeUnits(parts.head);
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
  static async create(options: CreateOptions): Promise<ResNet50> {
    return new ResNet50(await createParts(options));
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
  static async load(checkpointOrRun: string, options: LoadOptions = {}): Promise<ResNet50> {
    return new ResNet50(await loadParts(checkpointOrRun, options));
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

  /** The 18 parts of the network in order, with their parameters. */
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
   * @returns [n, 2048]
   */
  features(images: Floats, shape: Shape4D, options: CallOptions = {}): Promise<Tensor2D> {
    return this.#run('features', images, shape, options);
  }

  async #run(output: 'logits' | 'features', images: Floats, shape: Shape4D, o: CallOptions): Promise<Tensor2D> {
    checkOptions(o, ['precision', 'signal'], output === 'logits' ? 'forward()' : 'features()');
    const precision = requireOneOf(o.precision ?? 'fp32', 'precision', PRECISIONS);
    this.#refuseDisposed();
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
    this.#refuseDisposed();
    await this.handle.save(path, this.checkpointMetadata(metadata));
  }

  /** @internal What a checkpoint says of itself. */
  checkpointMetadata(metadata: Metadata): Readonly<Record<string, string>> {
    checkOptions(metadata, ['transform', 'strategy', 'extra'], 'save()');
    const transform = metadata.transform ?? this.#transform;
    const strategy = metadata.strategy ?? this.#strategy;
    return {
      ...metadata.extra,
      format: CHECKPOINT_FORMAT,
      classes: JSON.stringify(this.#classes),
      head: JSON.stringify({
        hidden: this.head.hidden,
        dropout: this.head.dropout,
      }),
      ...(transform === null ? {} : { transform: JSON.stringify(transform) }),
      ...(strategy === null ? {} : { strategy }),
      versions: JSON.stringify(versions()),
    };
  }

  /**
   * Frees the weights, once calls that use them are done. Idempotent.
   *
   * @throws ERR_BUSY while the model is being trained
   */
  dispose(): void {
    if (this.#user !== null) {
      throw new ResnetTorchError(
        'ERR_BUSY',
        `The model is in use by ${this.#user}. ${ending(this.#user)} before disposing of the model.`,
      );
    }
    this.#disposed = true;
    this.#freeUnused();
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
    this.#refuseDisposed();
    if (this.#user !== null) {
      throw new ResnetTorchError('ERR_BUSY', `The model is in use by ${this.#user}. ${ending(this.#user)} first.`);
    }
    this.#user = user;
    return () => {
      this.#user = null;
    };
  }

  /**
   * @internal Keeps the weights for work of several native calls, whatever is disposed of meanwhile; the answer ends that.
   * @throws ERR_DISPOSED
   */
  use(): () => void {
    this.#refuseDisposed();
    this.#uses++;
    return () => {
      this.#uses--;
      if (this.#disposed) this.#freeUnused();
    };
  }

  #freeUnused(): void {
    if (this.#uses === 0) this.#parts.handle.dispose();
  }

  #refuseDisposed(): void {
    if (this.#disposed) throw new ResnetTorchError('ERR_DISPOSED', 'The model was disposed of.');
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

/** @internal What writes a checkpoint. */
export function versions(): Readonly<Record<string, string>> {
  return {
    'resnet-torch': packageVersion(),
    libtorch: native().info().runtimeLibtorch,
  };
}

function ending(user: string): string {
  return user === 'a training session' ? 'Dispose of the session' : 'Wait for its result, or abort it,';
}
