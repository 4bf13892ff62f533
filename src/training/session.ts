import { types } from 'node:util';
import { floatsOf, int32sOf } from '../bytes.js';
import type { Batch } from '../data/dataset.js';
import { ResnetTorchError } from '../errors.js';
import { DEFAULT_LOSS, type LossName, type LossSpec, lossOf, nativeLoss } from '../losses/registry.js';
import type { UnitName } from '../model/architecture.js';
import { BATCH_NORM_POLICIES, type BatchNormPolicy } from '../model/freeze.js';
import type { ResNet, Shape4D } from '../model/network.js';
import { PRECISIONS, type Precision, precisionName, resolveCompute } from '../model/precision.js';
import type { UnitInfo } from '../model/units.js';
import type { Floats } from '../native/contract/model.js';
import type { NativeAddress, NativeSession } from '../native/contract/session.js';
import { native } from '../native/load.js';
import type { Note } from '../notes.js';
import type { ParameterGroup } from '../optim/groups.js';
import { type OptimizerSpec, optimizerOf } from '../optim/optimizers.js';
import { checkOptions, describe, invalidArgument, requireBoolean, requireNumber, requireOneOf } from '../options.js';
import { checkGroupValues } from './group-list.js';
import { type LossScale, lossScaleOf, nativeLossScale } from './loss-scale.js';
import { checkCudaGraph } from './settings.js';

/** What a session trains, and how. */
export interface SessionOptions {
  /** What trains, and how; a parameter in no group stands still. */
  readonly groups: readonly ParameterGroup[];
  /** What `optimizers.*` returns, or a name for its defaults. */
  readonly optimizer: OptimizerSpec | OptimizerSpec['kind'];
  /** A name, or plain data such as `{ name: 'cross-entropy', labelSmoothing: 0.1 }`. Default `cross-entropy`. */
  readonly loss?: LossName | LossSpec;
  /** The most that the norm of all gradients together may be in a step, above 0: larger ones are scaled down. Default: any. */
  readonly clipNorm?: number;
  /** Default `auto`. */
  readonly precision?: Precision;
  /** For `fp16`: a fixed factor of the loss, above 0 and at most 2²⁴, or `dynamic`, the default. */
  readonly lossScale?: LossScale;
  /**
   * On a CUDA device: record a step as a CUDA graph, once the shape of its batches has come a few times in a row, and
   * replay it. Changes no result. Default false.
   */
  readonly cudaGraph?: boolean;
  /** Default: what `model.freeze()` was told, else `follow`: batch statistics where a BatchNorm's parameters train. */
  readonly batchNorm?: BatchNormPolicy;
  /** Addresses dropout, as the run's seed does. Default 0. */
  readonly seed?: number;
}

/** What one step is told. */
export interface StepOptions {
  /** Learning rate of each group in this step, in their order. Default: the groups' own. */
  readonly rates?: readonly number[];
}

/** What one step on images of your own is told. */
export interface OwnStepOptions extends StepOptions {
  readonly shape: Shape4D;
}

/** What one step came to. */
export interface StepResult {
  /** The session's loss of the batch, before the step. */
  readonly loss: number;
  /** Images that were predicted rightly, in training mode. */
  readonly correct: number;
}

/**
 * What `dataset.batches({ format: 'float32' })` gives, or a batch of that shape. Its epoch and indices address dropout;
 * without them the session counts its samples.
 */
export type LabelledBatch = Pick<Batch, 'images' | 'labels' | 'shape'> & Partial<Pick<Batch, 'epoch' | 'indices'>>;

/**
 * Trains a model on batches of the caller's, a step at a time. A model has one session or run at a time; dispose of the
 * session when done.
 *
 * Fed with `data.batches({ split: 'train', epoch, batchSize, imageSize, augment, seed, format: 'float32' })`, epoch by epoch from
 * 0, with the rates of the schedule, it ends with the weights that `train()` ends with.
 */
export class TrainingSession {
  readonly #model: ResNet;
  readonly #native: NativeSession;
  readonly #release: () => void;
  readonly #rates: readonly number[];
  readonly #notes: Note[] = [];
  #skippedSteps = 0;
  #pending = 0;
  #disposed = false;

  /** @throws ERR_INVALID_ARGUMENT for groups or options that are wrong; ERR_BUSY while the model is being trained */
  constructor(model: ResNet, options: SessionOptions) {
    checkOptions(
      options,
      ['groups', 'optimizer', 'loss', 'clipNorm', 'precision', 'lossScale', 'cudaGraph', 'batchNorm', 'seed'],
      'TrainingSession',
    );
    checkGroupValues(options.groups);
    const precision = requireOneOf(options.precision ?? 'auto', 'precision', PRECISIONS);
    const seed = requireNumber(options.seed ?? 0, 'seed', {
      min: 0,
      integer: true,
    });
    const policy = requireOneOf(
      options.batchNorm ?? model.frozen?.batchNorm ?? 'follow',
      'batchNorm',
      BATCH_NORM_POLICIES,
    );
    const compute = resolveCompute(precision, model, native());
    const lossScale = lossScaleOf(options.lossScale, precisionName(compute, model.dtype));
    const cudaGraph = requireBoolean(options.cudaGraph ?? false, 'cudaGraph');
    checkCudaGraph(cudaGraph, model);
    const optimizer = optimizerOf(options.optimizer);
    const clipNorm =
      options.clipNorm === undefined
        ? {}
        : { clipNorm: requireNumber(options.clipNorm, 'clipNorm', { exclusiveMin: 0 }) };
    const loss = nativeLoss(lossOf(options.loss ?? DEFAULT_LOSS), model.classes, null);
    const trainable = trainableOf(model, options.groups);
    this.#model = model;
    this.#rates = options.groups.map(({ lr }) => lr);
    this.#release = model.acquire('a training session');
    try {
      this.#native = new (native().Session)(model.handle, {
        groups: options.groups.map(({ name, parameters, weightDecay }) => ({
          name,
          parameters,
          weightDecay,
        })),
        optimizer,
        loss,
        ...clipNorm,
        batchNormTraining: batchNormTraining(model, trainable, policy),
        compute,
        ...nativeLossScale(lossScale),
        cudaGraph,
        seed,
      });
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  /**
   * One step: forward in training mode, the loss, backward, optimizer.
   *
   * @param images normalised, row-major [n, 3, height, width]
   * @param labels classes, by index
   * @throws ERR_SHAPE_MISMATCH, ERR_INVALID_ARGUMENT, ERR_DISPOSED; ERR_NON_FINITE, which changes no weight
   */
  step(images: Floats, labels: Int32Array, options: OwnStepOptions): Promise<StepResult>;
  /** One step on a batch of `data.batches({ format: 'float32' })`. */
  step(batch: LabelledBatch, options?: StepOptions): Promise<StepResult>;
  async step(
    first: Floats | LabelledBatch,
    second?: Int32Array | StepOptions,
    third?: OwnStepOptions,
  ): Promise<StepResult> {
    const { images, labels, shape, options, address } = argumentsOf(first, second, third, 'step()');
    const rates = this.#ratesOf(options.rates);
    const { loss, correct, notes, skipped } = await this.#use((session) =>
      session.step(images, shape, labels, rates, address),
    );
    this.#notes.push(...notes);
    if (skipped) this.#skippedSteps++;
    return { loss, correct };
  }

  /**
   * Forward in training mode and backward, without a step. BatchNorm's running statistics follow the batch.
   *
   * @returns the gradient of each trainable parameter, row-major, by its name
   */
  gradients(
    images: Floats,
    labels: Int32Array,
    options: { readonly shape: Shape4D },
  ): Promise<{
    readonly loss: number;
    readonly gradients: Readonly<Record<string, Floats>>;
  }>;
  gradients(batch: LabelledBatch): Promise<{
    readonly loss: number;
    readonly gradients: Readonly<Record<string, Floats>>;
  }>;
  async gradients(
    first: Floats | LabelledBatch,
    second?: Int32Array,
    third?: { readonly shape: Shape4D },
  ): Promise<{
    readonly loss: number;
    readonly gradients: Readonly<Record<string, Floats>>;
  }> {
    const { images, labels, shape } = argumentsOf(first, second, third, 'gradients()');
    return this.#use((session) => session.gradients(images, shape, labels));
  }

  /** One optimizer step with gradients of the caller's, by parameter name; those not named have none. They are clipped too. */
  async apply(gradients: Readonly<Record<string, Floats>>, options: StepOptions = {}): Promise<void> {
    checkOptions(options, ['rates'], 'apply()');
    const rates = this.#ratesOf(options.rates);
    await this.#use((session) => session.apply(gradients, rates));
  }

  /** ‖w − w₀‖ / ‖w₀‖ of the trainable parameters of each unit since the session's first step. */
  async drift(): Promise<Readonly<Record<UnitName, number>>> {
    return driftByUnit(this.#model.units(), await this.#use((session) => session.drift()));
  }

  /** Bytes of optimizer state and gradients that are held now. */
  memory(): Promise<{
    readonly stateBytes: number;
    readonly gradientBytes: number;
  }> {
    return this.#use((session) => session.memory());
  }

  /**
   * Frees the optimizer's state; the model keeps its weights, and is free for another session. Idempotent.
   *
   * @throws ERR_BUSY while a call is under way
   */
  dispose(): void {
    if (this.#disposed) return;
    if (this.#pending > 0) {
      throw new ResnetTorchError('ERR_BUSY', 'The training session is in use. Await its calls before disposing of it.');
    }
    this.#disposed = true;
    this.#native.dispose();
    this.#release();
  }

  /** `dispose()`, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }

  async #use<T>(call: (session: NativeSession) => Promise<T>): Promise<T> {
    if (this.#disposed) throw new ResnetTorchError('ERR_DISPOSED', 'The training session was disposed of.');
    this.#pending++;
    try {
      return await call(this.#native);
    } finally {
      this.#pending--;
    }
  }

  #ratesOf(rates: readonly number[] = this.#rates): Float64Array {
    if (!Array.isArray(rates) || rates.length !== this.#rates.length) {
      throw invalidArgument(`rates must be an array of ${this.#rates.length} rates, one a group.`);
    }
    return Float64Array.from(rates, (rate, index) => requireNumber(rate, `rates[${index}]`, { min: 0 }));
  }

  /**
   * What was met in its steps: `step-not-recorded` where a step could not be recorded for `cudaGraph`, and steps are made
   * without from then on.
   */
  get notes(): readonly Note[] {
    return this.#notes;
  }

  /** Its steps that changed nothing, since gradients overflowed in fp16. */
  get skippedSteps(): number {
    return this.#skippedSteps;
  }

  /** The model that is trained. */
  get model(): ResNet {
    return this.#model;
  }
}

export function driftByUnit(units: readonly UnitInfo[], drift: Float64Array): Readonly<Record<UnitName, number>> {
  return Object.fromEntries(units.map(({ name, index }) => [name, drift[index] ?? 0])) as Record<UnitName, number>;
}

function argumentsOf(
  first: Floats | LabelledBatch,
  second: Int32Array | StepOptions | undefined,
  third: { readonly shape: Shape4D; readonly rates?: readonly number[] } | undefined,
  where: string,
): {
  readonly images: Floats;
  readonly labels: Int32Array;
  readonly shape: Shape4D;
  readonly options: StepOptions;
  readonly address: NativeAddress | undefined;
} {
  if (isFloats(first)) {
    const labels = int32sOf(second, `The labels of ${where}`);
    checkOptions(third, ['shape', 'rates'], where);
    const options = third as OwnStepOptions;
    return { images: floatsOf(first, 'images'), labels, shape: options.shape, options, address: undefined };
  }
  if (typeof first !== 'object' || first === null || !types.isInt32Array(first.labels)) {
    throw invalidArgument(
      `${where} takes images as a Float32Array or a Float64Array, or a batch, not ${describe(first)}.`,
    );
  }
  const { images, labels, shape, epoch, indices } = first;
  if (!isFloats(images)) {
    throw invalidArgument(`${where} takes normalised images: ask for batches of format 'float32'.`);
  }
  checkOptions(second ?? {}, ['rates'], where);
  return {
    images: floatsOf(images, 'images'),
    labels: int32sOf(labels, 'labels'),
    shape: shape as Shape4D,
    options: (second ?? {}) as StepOptions,
    address: epoch === undefined || indices === undefined ? undefined : { epoch, samples: indices },
  };
}

function isFloats(value: unknown): value is Floats {
  return types.isFloat32Array(value) || types.isFloat64Array(value);
}

/** @throws ERR_INVALID_ARGUMENT for a parameter that the model lacks, that `freeze()` froze, or that is named twice */
function trainableOf(model: ResNet, groups: readonly ParameterGroup[]): ReadonlySet<string> {
  const known = new Set(model.units().flatMap(({ parameters }) => parameters.map(({ name }) => name)));
  const frozen = model.frozen?.plan.trainable;
  const seen = new Set<string>();
  for (const group of groups) {
    for (const name of group.parameters) {
      if (!known.has(name))
        throw invalidArgument(`The group ${group.name} holds ${describe(name)}, which is no parameter.`);
      if (frozen !== undefined && !frozen.has(name)) {
        throw invalidArgument(
          `The group ${group.name} holds ${name}, which model.freeze() froze. Take it out, or freeze less.`,
        );
      }
      if (seen.has(name)) throw invalidArgument(`${name} is in more than one group.`);
      seen.add(name);
    }
  }
  return seen;
}

function batchNormTraining(model: ResNet, trainable: ReadonlySet<string>, policy: BatchNormPolicy): readonly string[] {
  const norms = model.units().flatMap((unit) => unit.batchNorms);
  if (policy === 'eval') return [];
  if (policy === 'train') return norms;
  return norms.filter((norm) => trainable.has(`${norm}.weight`) || trainable.has(`${norm}.bias`));
}
