import { ResnetTorchError } from '../errors.js';
import type { NativeDevice } from '../native/contract/device.js';
import type { ModelDtype, NativeModel } from '../native/contract/model.js';
import type { Note } from '../notes.js';
import { checkOptions, invalidArgument, requireNumber, requireOneOf } from '../options.js';
import { classNames } from './class-list.js';
import { type Device, requireDevice } from './device.js';
import { type HeadOptions, headShape } from './head.js';
import type { HeadShape } from './head-shape.js';
import { makeNative } from './make-native.js';
import { type ModelSource, readModelSource } from './model-source.js';
import { findDevice } from './resolve-device.js';
import {
  type ClassNames,
  listNames,
  openWeights,
  type Preprocessing,
  readMetadata,
  resolveWeights,
  type TransformMetadata,
  type WeightsSource,
} from './weights/index.js';

const DTYPES = ['float32', 'float64'] as const satisfies readonly ModelDtype[];

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

/** What a model is made of. */
export interface ModelParts {
  readonly handle: NativeModel;
  readonly head: HeadShape;
  readonly classes: readonly string[];
  readonly classesAreNamed: boolean;
  readonly dtype: ModelDtype;
  readonly device: NativeDevice;
  readonly notes: readonly Note[];
  readonly weights: string;
  readonly preprocessing: Preprocessing | null;
  readonly transform: TransformMetadata | null;
  readonly strategy: string | null;
}

/** What `ResNet50.create()` says. */
export async function createParts(options: CreateOptions): Promise<ModelParts> {
  const known = ['classes', 'weights', 'head', 'device', 'dtype', 'seed', 'onProgress', 'signal'];
  checkOptions(options, known, 'ResNet50.create()');
  const given = classNames(options.classes);
  const head = headShape(given.length, options.head);
  const dtype = requireOneOf(options.dtype ?? 'float32', 'dtype', DTYPES);
  const seed = requireNumber(options.seed ?? 0, 'seed', { min: 0, integer: true });
  const { signal, onProgress } = options;
  signal?.throwIfAborted();
  const device = await findDevice(options.device ?? 'auto');
  const weights = await resolveWeights(options.weights ?? 'imagenet-v2', { signal, onProgress });
  const table = weights.path === null ? null : await openWeights(weights.path, signal);
  const names: ClassNames = {
    wanted: typeof options.classes === 'number' ? null : given,
    held: table === null ? null : (readMetadata(table)?.classes ?? null),
  };
  const made = await makeNative({ arch: 'resnet50', ...head, dtype, device, seed }, table, { signal, classes: names });
  // A head that comes with names keeps them, where none are given: its outputs mean these classes.
  const kept = names.wanted === null && made.head === 'loaded' ? names.held : null;
  return {
    handle: made.handle,
    head,
    classes: kept ?? given,
    classesAreNamed: kept !== null || names.wanted !== null,
    dtype,
    device,
    notes: kept === null ? made.notes : [...made.notes, keptNames(kept)],
    weights: weights.label,
    preprocessing: weights.preprocessing,
    transform: null,
    strategy: null,
  };
}

/** What `ResNet50.load()` says. */
export async function loadParts(checkpointOrRun: string, options: LoadOptions): Promise<ModelParts> {
  checkOptions(options, ['classes', 'device', 'dtype', 'signal'], 'ResNet50.load()');
  const dtype = requireOneOf(options.dtype ?? 'float32', 'dtype', DTYPES);
  const wanted = requireDevice(options.device ?? 'auto');
  const { signal } = options;
  signal?.throwIfAborted();
  const source = await readModelSource(checkpointOrRun, signal);
  const { metadata, table } = source;
  const given = options.classes === undefined ? undefined : classNames(options.classes);
  const sigmoid = metadata === null && source.head.classes === 1;
  const classes = outputNames(source, given);
  const head = { ...source.head, classes: classes.length };
  const device = await findDevice(wanted);
  const { handle, notes } = await makeNative({ arch: 'resnet50', ...head, dtype, device, seed: 0 }, table, {
    signal,
    withHead: true,
    ...(sigmoid ? { classes: { wanted: classes, held: null, sigmoid } } : {}),
  });
  const transform = metadata?.transform ?? null;
  return {
    handle,
    head,
    classes,
    classesAreNamed: metadata !== null || given !== undefined,
    dtype,
    device,
    notes,
    weights: source.path,
    preprocessing: transform === null ? null : { resize: transform.resize, crop: transform.imageSize },
    transform,
    strategy: metadata?.strategy ?? null,
  };
}

/**
 * Names for the outputs of a file: its own, those given, or the indices. One output of a file without names is a
 * sigmoid's, which tells two classes apart: they must be named, and the model gets an output for each.
 */
function outputNames({ metadata, head, path }: ModelSource, given: readonly string[] | undefined): readonly string[] {
  if (metadata !== null && given !== undefined) {
    throw invalidArgument(`${path} has class names of its own. Leave classes out.`);
  }
  if (metadata === null && head.classes === 1) {
    if (given?.length === 2) return given;
    throw new ResnetTorchError(
      given === undefined ? 'ERR_WEIGHTS_FORMAT' : 'ERR_INVALID_ARGUMENT',
      `${path} has one output, a sigmoid's between two classes${given === undefined ? ', and no names for them' : `, and there are ${given.length} class names`}. ` +
        "Name both, the class for 0 first: classes: ['no', 'yes'], or --classes FILE with a line for each.",
    );
  }
  const classes = metadata?.classes ?? given ?? classNames(head.classes);
  if (classes.length === head.classes) return classes;
  throw new ResnetTorchError(
    metadata === null ? 'ERR_INVALID_ARGUMENT' : 'ERR_CHECKPOINT',
    `${path} has ${head.classes} outputs, and there are ${classes.length} class names for them.`,
  );
}

function keptNames(names: readonly string[]): Note {
  return {
    code: 'head-classes-kept',
    message: `The head was loaded with the class names of its checkpoint: ${listNames(names, 5)}.`,
  };
}
