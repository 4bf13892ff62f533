import { ResnetTorchError } from '../../errors.js';
import type { StoredDtype, StoredTensor } from '../../native/binding.js';

export type { StoredDtype, StoredTensor } from '../../native/binding.js';

/** `torch`: the zip that `torch.save` has written since PyTorch 1.6. */
export type WeightsFormat = 'safetensors' | 'torch';

/** Where each tensor of a weights file lies. Both formats end in this; native code maps the file and copies from it. */
export interface TensorTable {
  readonly path: string;
  readonly format: WeightsFormat;
  /** By name, without the `module.` of `DataParallel` and the `_orig_mod.` of `torch.compile`. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
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

const WRAPPERS = /^(?:module\.|_orig_mod\.)+/;

/**
 * Removes the prefixes that `DataParallel`, `DistributedDataParallel`, `AveragedModel` (`module.`) and `torch.compile`
 * (`_orig_mod.`) put before every name.
 *
 * @throws ResnetTorchError `ERR_WEIGHTS_FORMAT` when two names become one.
 */
export function unwrapNames(path: string, tensors: Iterable<StoredTensor>): ReadonlyMap<string, StoredTensor> {
  const result = new Map<string, StoredTensor>();
  for (const tensor of tensors) {
    const name = tensor.name.replace(WRAPPERS, '');
    if (result.has(name))
      throw formatError(path, `holds the tensor ${printable(name)} twice, once as ${printable(tensor.name)}.`);
    result.set(name, name === tensor.name ? tensor : { ...tensor, name });
  }
  return result;
}
