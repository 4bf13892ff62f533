import type { ModelDtype } from '../native/contract/model.js';
import type { Note } from '../notes.js';
import { checkOptions, requireNumber, requireOneOf } from '../options.js';
import { type ArchitectureName, DEFAULT_ARCHITECTURE, requireArchitecture } from './architecture.js';
import { classNames } from './class-list.js';
import type { Device } from './device.js';
import { type HeadOptions, headShape } from './head.js';
import { makeNative } from './make-native.js';
import { DTYPES, type ModelParts } from './parts.js';
import { findDevice } from './resolve-device.js';
import {
  type ClassNames,
  defaultWeights,
  listNames,
  openWeights,
  readMetadata,
  resolveWeights,
  type WeightsSource,
} from './weights/index.js';

/** What model is made, and what it begins with. */
export interface CreateOptions {
  /** Class names in the order of the outputs, or how many; these are then named by their indices. */
  readonly classes: number | readonly string[];
  /** The member of the family. Default `resnet50`. */
  readonly arch?: ArchitectureName;
  /** Default: the architecture's `imagenet-v2`, or `imagenet-v1` where it has no other, downloaded once. */
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

/** What `ResNet.create()` says. */
export async function createParts(options: CreateOptions, caller = 'ResNet.create()'): Promise<ModelParts> {
  const known = ['arch', 'classes', 'weights', 'head', 'device', 'dtype', 'seed', 'onProgress', 'signal'];
  checkOptions(options, known, caller);
  const arch = requireArchitecture(options.arch ?? DEFAULT_ARCHITECTURE);
  const given = classNames(options.classes);
  const head = headShape(given.length, options.head);
  const dtype = requireOneOf(options.dtype ?? 'float32', 'dtype', DTYPES);
  const seed = requireNumber(options.seed ?? 0, 'seed', { min: 0, integer: true });
  const { signal, onProgress } = options;
  signal?.throwIfAborted();
  const device = await findDevice(options.device ?? 'auto');
  const weights = await resolveWeights(options.weights ?? defaultWeights(arch), arch, { signal, onProgress });
  const table = weights.path === null ? null : await openWeights(weights.path, signal);
  const names: ClassNames = {
    wanted: typeof options.classes === 'number' ? null : given,
    held: table === null ? null : (readMetadata(table)?.classes ?? null),
  };
  const made = await makeNative({ arch, ...head, dtype, device, seed }, table, { signal, classes: names });
  // A head that comes with names keeps them, where none are given: its outputs mean these classes.
  const kept = names.wanted === null && made.head === 'loaded' ? names.held : null;
  return {
    arch,
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

function keptNames(names: readonly string[]): Note {
  return {
    code: 'head-classes-kept',
    message: `The head was loaded with the class names of its checkpoint: ${listNames(names, 5)}.`,
  };
}
