import { ResnetTorchError } from '../../errors.js';
import type { StoredDtype, StoredTensor } from '../../native/contract/model.js';
import type { Note } from '../../notes.js';
import type { ArchitectureName } from '../architecture.js';

export type { StoredDtype, StoredTensor } from '../../native/contract/model.js';

/** `torch`: what `torch.save` writes, the zip of PyTorch 1.6 and newer or the older form. */
export type WeightsFormat = 'safetensors' | 'torch';

/** Where each tensor of a weights file lies. All formats end in this; native code maps the file and copies from it. */
export interface TensorTable {
  readonly path: string;
  readonly format: WeightsFormat;
  /** The member of the family that the tensors are of; null where they are no network's, or too few to tell. */
  readonly arch: ArchitectureName | null;
  /** By torchvision's name, whatever stands before it in the file. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Names, as the file has them, of tensors beside the network that are no part of it. */
  readonly others: readonly string[];
  /** What was taken from the file, where that is not plain. */
  readonly notes: readonly Note[];
  /** `__metadata__` of a safetensors file; empty for a `torch` file. Has no prototype. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Bytes of one element. */
export const DTYPE_BYTES: Readonly<Record<StoredDtype, number>> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
};

/** `[64, 3, 7, 7]`, as PyTorch prints a size. */
export function formatShape(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}

/** Number of elements, or `null` when it is too large to be exact. */
export function elementCount(shape: readonly number[]): number | null {
  if (shape.includes(0)) return 0;
  let count = 1;
  for (const side of shape) {
    count *= side;
    if (!Number.isSafeInteger(count)) return null;
  }
  return count;
}

/** `ERR_WEIGHTS_FORMAT` about the file at `path`. */
export function formatError(path: string, fault: string, options?: ErrorOptions): ResnetTorchError {
  return new ResnetTorchError('ERR_WEIGHTS_FORMAT', `${path}: ${fault}`, options);
}

/** A name from a file as a message may show it: control characters escaped, at most 200 characters. */
export function printable(name: string): string {
  const text = name.length > 200 ? `${name.slice(0, 200)}…` : name;
  return text.replace(/\p{C}/gu, (character) => `\\u{${character.codePointAt(0)?.toString(16)}}`);
}

/** Lists at most `limit` names: `a, b, c and 7 more`. */
export function listNames(names: readonly string[], limit = 10): string {
  const rest = names.length - limit;
  const shown = names.slice(0, limit).map(printable).join(', ');
  return rest > 0 ? `${shown} and ${rest} more` : shown;
}
