import { ResnetTorchError } from '../errors.js';
import type { ModelDtype } from '../native/contract/model.js';
import { checkOptions, invalidArgument, requireOneOf } from '../options.js';
import type { ArchitectureName } from './architecture.js';
import { classNames } from './class-list.js';
import { type Device, requireDevice } from './device.js';
import { makeNative } from './make-native.js';
import { type ModelSource, readModelSource } from './model-source.js';
import { DTYPES, type ModelParts } from './parts.js';
import { findDevice } from './resolve-device.js';

/** How a saved model is loaded. */
export interface LoadOptions {
  /** Names of a weights file's outputs, in their order; default: the indices. A checkpoint has names of its own. */
  readonly classes?: readonly string[];
  readonly device?: Device;
  /** Default `float32`. */
  readonly dtype?: ModelDtype;
  readonly signal?: AbortSignal;
}

/**
 * What `ResNet.load()` says.
 *
 * @param only the one architecture that is wanted, and what wants it; default: any
 */
export async function loadParts(
  checkpointOrRun: string,
  options: LoadOptions,
  only?: { readonly arch: ArchitectureName; readonly caller: string },
): Promise<ModelParts> {
  checkOptions(options, ['classes', 'device', 'dtype', 'signal'], only?.caller ?? 'ResNet.load()');
  const dtype = requireOneOf(options.dtype ?? 'float32', 'dtype', DTYPES);
  const wanted = requireDevice(options.device ?? 'auto');
  const { signal } = options;
  signal?.throwIfAborted();
  const source = await readModelSource(checkpointOrRun, signal);
  const { arch, metadata, table } = source;
  if (only !== undefined && arch !== only.arch) throw otherArchitecture(source, only);
  const given = options.classes === undefined ? undefined : classNames(options.classes);
  const sigmoid = metadata === null && source.head.classes === 1;
  const classes = outputNames(source, given);
  const head = { ...source.head, classes: classes.length };
  const device = await findDevice(wanted);
  const { handle, notes } = await makeNative({ arch, ...head, dtype, device, seed: 0 }, table, {
    signal,
    withHead: true,
    ...(sigmoid ? { classes: { wanted: classes, held: null, sigmoid } } : {}),
  });
  const transform = metadata?.transform ?? null;
  return {
    arch,
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

function otherArchitecture({ path, arch }: ModelSource, only: { readonly arch: string; readonly caller: string }) {
  return new ResnetTorchError(
    'ERR_SHAPE_MISMATCH',
    `${path} is of a ${arch}, and ${only.caller} loads a ${only.arch}. ResNet.load() loads every member of the family.`,
  );
}
