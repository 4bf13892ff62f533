import { ResnetTorchError } from '../../errors.js';
import { packageVersion } from '../../version.js';
import { ARCHITECTURE_NAMES, type ArchitectureName, architectureOf, DEFAULT_ARCHITECTURE } from '../architecture.js';
import { formatError, formatShape, listNames, type TensorTable } from './table.js';

/** Value of the metadata key `format` in checkpoints that this package writes. */
export const CHECKPOINT_FORMAT = 'resnet-torch';

/**
 * Version of what those checkpoints hold, in the key `formatVersion`; files without it are of the first. It rises when an
 * older version of this package would misread a file.
 */
export const CHECKPOINT_VERSION = 1;

/** How images became model input when the checkpoint was trained. */
export interface TransformMetadata {
  /** Side of the square input, pixels. */
  readonly imageSize: number;
  /** Short side before the centre crop, pixels. */
  readonly resize: number;
  /** By channel, red first, of values in 0 to 1. */
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
}

export interface CheckpointMetadata {
  /** The member of the family. */
  readonly arch: ArchitectureName;
  /** In the order of the outputs. */
  readonly classes: readonly string[];
  readonly head: {
    readonly hidden: readonly number[];
    readonly dropout: number;
  };
  /** `null` where the checkpoint was saved without one. */
  readonly transform: TransformMetadata | null;
  readonly strategy: string | null;
  /** What wrote the file, such as `{ "resnet-torch": "0.1.0", "libtorch": "2.13.0" }`. */
  readonly versions: Readonly<Record<string, string>>;
}

/**
 * Metadata of a checkpoint of this package, checked, or `null` for any other weights file.
 *
 * @throws ResnetTorchError `ERR_CHECKPOINT` when the file says that it is such a checkpoint, but of a later version of the
 *   format, or a key is missing or wrong.
 */
export function readMetadata(table: TensorTable): CheckpointMetadata | null {
  if (table.metadata.format !== CHECKPOINT_FORMAT) return null;
  refuseLaterVersion(table);
  const classes = stringList(table, 'classes');
  const head = object(table, 'head', parse(table, 'head'));
  const result: CheckpointMetadata = {
    arch: architecture(table),
    classes,
    head: {
      hidden: widths(table, head.hidden),
      dropout: share(table, head.dropout),
    },
    transform: table.metadata.transform === undefined ? null : transform(table),
    strategy: table.metadata.strategy ?? null,
    versions: table.metadata.versions === undefined ? {} : versions(table),
  };
  return result;
}

/**
 * The head's shape, from the tensors alone: `fc.weight`, or `fc.0.weight`, `fc.3.weight`, … as
 * `nn.Sequential(Linear, ReLU, Dropout, Linear)` names them. Dropout has no tensors, so it is not told.
 *
 * @throws ResnetTorchError `ERR_WEIGHTS_FORMAT` when there is no such head.
 */
export function headOf(
  table: TensorTable,
  arch: ArchitectureName,
): {
  readonly classes: number;
  readonly hidden: readonly number[];
} {
  const names = table.tensors.has('fc.weight') ? ['fc.weight'] : sequentialNames(table);
  if (names.length === 0) {
    const held = [...table.tensors.keys()].filter((name) => name.startsWith('fc.'));
    const found = held.length > 0 ? `its head is ${listNames(held, 6)}` : 'it holds no tensor fc.*';
    throw formatError(
      table.path,
      `has no head that can be read: ${found}; expected fc.weight, or fc.0.weight, fc.3.weight and so on.`,
    );
  }
  const outputs: number[] = [];
  let inputs = architectureOf(arch).features;
  for (const name of names) {
    const shape = table.tensors.get(name)?.shape ?? [];
    const [rows, columns] = shape;
    if (shape.length !== 2 || columns !== inputs || rows === undefined || rows < 1) {
      throw formatError(table.path, `${name} has shape ${formatShape(shape)}; expected [outputs, ${inputs}].`);
    }
    outputs.push(rows);
    inputs = rows;
  }
  return { classes: inputs, hidden: outputs.slice(0, -1) };
}

function sequentialNames(table: TensorTable): string[] {
  const names: string[] = [];
  while (table.tensors.has(`fc.${3 * names.length}.weight`)) names.push(`fc.${3 * names.length}.weight`);
  const layers = [...table.tensors.keys()].filter((name) => /^fc\.\d+\.weight$/.test(name)).length;
  return layers === names.length ? names : [];
}

function refuseLaterVersion(table: TensorTable): void {
  const { path, metadata } = table;
  const version = Number(metadata.formatVersion ?? 1);
  if (!isCount(version)) throw wrong(table, 'formatVersion', 'a whole number of 1 or more');
  if (version <= CHECKPOINT_VERSION) return;
  const writer = /"resnet-torch":"([^"]{1,40})"/.exec(metadata.versions ?? '')?.[1];
  throw new ResnetTorchError(
    'ERR_CHECKPOINT',
    `${path} is of version ${version} of the checkpoint format${writer === undefined ? '' : `, written by resnet-torch ${writer}`}; ` +
      `this is resnet-torch ${packageVersion()}, which reads version ${CHECKPOINT_VERSION}. Update the package, or save the model with this one.`,
  );
}

/** Checkpoints of before there were others are of a ResNet-50. */
function architecture(table: TensorTable): ArchitectureName {
  const name = table.metadata.arch ?? DEFAULT_ARCHITECTURE;
  const known = ARCHITECTURE_NAMES.find((architecture) => architecture === name);
  if (known === undefined) throw wrong(table, 'arch', `one of ${ARCHITECTURE_NAMES.join(', ')}`);
  if (table.arch === null || table.arch === known) return known;
  throw new ResnetTorchError(
    'ERR_CHECKPOINT',
    `${table.path}: its metadata says that it is of a ${known}, and its tensors are of a ${table.arch}. The file was changed; ` +
      'use a checkpoint as it was saved.',
  );
}

function wrong(table: TensorTable, key: string, expected: string): ResnetTorchError {
  return new ResnetTorchError(
    'ERR_CHECKPOINT',
    `${table.path}: the metadata key "${key}" is not ${expected}. The file was changed or written by another version; ` +
      `use a checkpoint as it was saved.`,
  );
}

function parse(table: TensorTable, key: string): unknown {
  const text = table.metadata[key];
  if (text === undefined) throw wrong(table, key, 'there');
  try {
    return JSON.parse(text);
  } catch {
    throw wrong(table, key, 'JSON');
  }
}

function object(table: TensorTable, key: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(table, key, 'a JSON object');
  return value as Readonly<Record<string, unknown>>;
}

function stringList(table: TensorTable, key: string): readonly string[] {
  const value = parse(table, key);
  const fits = Array.isArray(value) && value.length > 0 && value.every((item) => typeof item === 'string');
  if (!fits) throw wrong(table, key, 'a JSON array of strings');
  return value;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function widths(table: TensorTable, value: unknown): readonly number[] {
  if (!Array.isArray(value) || !value.every(isCount)) throw wrong(table, 'head.hidden', 'an array of layer widths');
  return value;
}

function share(table: TensorTable, value: unknown): number {
  if (typeof value !== 'number' || !(value >= 0 && value < 1))
    throw wrong(table, 'head.dropout', 'a number from 0 to under 1');
  return value;
}

function transform(table: TensorTable): TransformMetadata {
  const { imageSize, resize, mean, std } = object(table, 'transform', parse(table, 'transform'));
  if (!isCount(imageSize)) throw wrong(table, 'transform.imageSize', 'a number of pixels');
  if (!isCount(resize)) throw wrong(table, 'transform.resize', 'a number of pixels');
  return {
    imageSize,
    resize,
    mean: channels(table, 'transform.mean', mean),
    std: channels(table, 'transform.std', std),
  };
}

function channels(table: TensorTable, key: string, value: unknown): readonly [number, number, number] {
  if (!Array.isArray(value) || value.length !== 3 || !value.every((item) => Number.isFinite(item))) {
    throw wrong(table, key, 'an array of three numbers');
  }
  const [red, green, blue] = value as number[];
  return [red as number, green as number, blue as number];
}

function versions(table: TensorTable): Readonly<Record<string, string>> {
  const value = object(table, 'versions', parse(table, 'versions'));
  for (const version of Object.values(value)) {
    if (typeof version !== 'string') throw wrong(table, 'versions', 'a JSON object of strings');
  }
  return value as Readonly<Record<string, string>>;
}
