import { ResnetTorchError } from '../errors.js';
import type { Floats, HeadShape, ModelDtype, NativeDevice, NativeModel } from '../native/binding.js';
import { native, withCancel } from '../native/load.js';
import { checkOptions, invalidArgument, requireNumber, requireOneOf } from '../options.js';
import { packageVersion } from '../version.js';
import { classNames } from './class-list.js';
import { type Device, requireDevice } from './device.js';
import { type BatchNormPolicy, type FreezePlan, type FreezeRule, resolveFreeze } from './freeze.js';
import { type HeadOptions, headShape } from './head.js';
import { makeNative } from './make-native.js';
import { readModelSource } from './model-source.js';
import { PRECISIONS, type Precision, resolveCompute } from './precision.js';
import { resolveDevice } from './resolve-device.js';
import { describeUnits, type UnitInfo } from './units.js';
import {
  CHECKPOINT_FORMAT,
  openWeights,
  type Preprocessing,
  resolveWeights,
  type TransformMetadata,
  type WeightsSource,
} from './weights/index.js';

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

/** What model is made, and what it begins with. */
export interface CreateOptions {
  /** Class names in the order of the outputs, or how many; these are then named by their indices. */
  readonly classes: number | readonly string[];
  /** Default `imagenet-v2`, downloaded once. */
  readonly weights?: WeightsSource;
  /** Default: one linear layer. */
  readonly head?: HeadOptions;
  /** Default `auto`. */
  readonly device?: Device;
  /** Default `float32`; `float64` is for exact comparison. */
  readonly dtype?: ModelDtype;
  /** Of the initial weights that do not come from a file. Default 0. */
  readonly seed?: number;
  /** Bytes downloaded so far, and in all where the server says so. */
  readonly onProgress?: (bytes: number, total: number | null) => void;
  readonly signal?: AbortSignal;
}

/** How a saved model is loaded. */
export interface LoadOptions {
  /** Names of a weights file's outputs, in their order; default: the indices. A checkpoint has names of its own. */
  readonly classes?: readonly string[];
  readonly device?: Device;
  /** Default `float32`. */
  readonly dtype?: ModelDtype;
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

interface Parts {
  readonly handle: NativeModel;
  readonly head: HeadShape;
  readonly classes: readonly string[];
  readonly classesAreNamed: boolean;
  readonly dtype: ModelDtype;
  readonly device: NativeDevice;
  readonly notes: readonly string[];
  readonly weights: string;
  readonly preprocessing: Preprocessing | null;
  readonly transform: TransformMetadata | null;
  readonly strategy: string | null;
}

const DTYPES = ['float32', 'float64'] as const satisfies readonly ModelDtype[];

/** ResNet-50 v1.5 with torchvision's module names and arithmetic, and a head for any number of classes. */
export class ResNet50 {
  readonly #parts: Parts;
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

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.#units = describeUnits(parts.head);
    this.#classes = parts.classes;
    this.#transform = parts.transform;
    this.#strategy = parts.strategy;
  }

  /**
   * A model with published weights, weights of a file, or random ones, and a head for these classes. Weights of another
   * head load all but the head, which `notes` then says.
   *
   * @throws ERR_INVALID_ARGUMENT for options out of range; ERR_WEIGHTS_UNAVAILABLE when named weights cannot be had;
   *   ERR_WEIGHTS_FORMAT or ERR_SHAPE_MISMATCH when a file does not fit; ERR_CUDA_UNAVAILABLE
   */
  static async create(options: CreateOptions): Promise<ResNet50> {
    const known = ['classes', 'weights', 'head', 'device', 'dtype', 'seed', 'onProgress', 'signal'];
    checkOptions(options, known, 'ResNet50.create()');
    const classes = classNames(options.classes);
    const head = headShape(classes.length, options.head);
    const dtype = requireOneOf(options.dtype ?? 'float32', 'dtype', DTYPES);
    const seed = requireNumber(options.seed ?? 0, 'seed', {
      min: 0,
      integer: true,
    });
    const { signal, onProgress } = options;
    signal?.throwIfAborted();
    const device = resolveDevice(options.device ?? 'auto');
    const weights = await resolveWeights(options.weights ?? 'imagenet-v2', {
      signal,
      onProgress,
    });
    const table = weights.path === null ? null : await openWeights(weights.path);
    const { handle, notes } = await makeNative({ ...head, dtype, device, seed }, table, { signal });
    return new ResNet50({
      handle,
      head,
      classes,
      classesAreNamed: typeof options.classes !== 'number',
      dtype,
      device,
      notes,
      weights: weights.label,
      preprocessing: weights.preprocessing,
      transform: null,
      strategy: null,
    });
  }

  /**
   * A model as it was saved: a run directory stands for its best checkpoint; a weights file with a head (`fc.*`) is
   * taken as it is.
   *
   * @throws ERR_CHECKPOINT when there is no such model; ERR_WEIGHTS_FORMAT or ERR_SHAPE_MISMATCH when the file does not
   *   fit; ERR_INVALID_ARGUMENT for names that are not as many as the outputs
   */
  static async load(checkpointOrRun: string, options: LoadOptions = {}): Promise<ResNet50> {
    checkOptions(options, ['classes', 'device', 'dtype', 'signal'], 'ResNet50.load()');
    const dtype = requireOneOf(options.dtype ?? 'float32', 'dtype', DTYPES);
    const wanted = requireDevice(options.device ?? 'auto');
    options.signal?.throwIfAborted();
    const source = await readModelSource(checkpointOrRun);
    const { metadata, head, table } = source;
    const given = options.classes === undefined ? undefined : classNames(options.classes);
    if (metadata !== null && given !== undefined) {
      throw invalidArgument(`${source.path} has class names of its own. Leave classes out.`);
    }
    const classes = metadata?.classes ?? given ?? classNames(head.classes);
    if (classes.length !== head.classes) {
      throw new ResnetTorchError(
        metadata === null ? 'ERR_INVALID_ARGUMENT' : 'ERR_CHECKPOINT',
        `${source.path} has ${head.classes} outputs, and there are ${classes.length} class names for them.`,
      );
    }
    const device = resolveDevice(wanted);
    const shape = { ...head, dtype, device, seed: 0 };
    const { handle, notes } = await makeNative(shape, table, { signal: options.signal, withHead: true });
    return new ResNet50({
      handle,
      head,
      classes,
      classesAreNamed: metadata !== null || given !== undefined,
      dtype,
      device,
      notes,
      weights: source.path,
      preprocessing:
        metadata?.transform == null
          ? null
          : {
              resize: metadata.transform.resize,
              crop: metadata.transform.imageSize,
            },
      transform: metadata?.transform ?? null,
      strategy: metadata?.strategy ?? null,
    });
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

  /** Sentences about how the weights were loaded, such as that the head was not. */
  get notes(): readonly string[] {
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

  /** What `freeze()` was told, or null. */
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
   * What stands still in the trainings to come, unless they are told otherwise.
   *
   * @throws ERR_INVALID_ARGUMENT for a rule that is unknown, matches nothing, or leaves nothing to train
   */
  freeze(rule: FreezeRule, options: { readonly batchNorm?: BatchNormPolicy } = {}): this {
    const plan = resolveFreeze(this.#units, rule, options);
    this.#freeze = { rule, batchNorm: options.batchNorm ?? 'follow', plan };
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
    const data = await withCancel(o.signal, (token) => this.handle.forward(images, shape, { output, compute }, token));
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
