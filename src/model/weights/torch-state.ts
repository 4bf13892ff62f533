/** What a pickle of `torch.save` holds, whichever file it lies in: dicts of tensors, and where their bytes are. */

import { type PickleDict as Dict, PickleDict, PickleFault, PickleUnread, type PickleValue } from './pickle-values.js';
import { type FoundTensor, NESTS, type TensorGroup } from './source.js';
import {
  DTYPE_BYTES,
  elementCount,
  formatError,
  formatShape,
  listNames,
  printable,
  type StoredTensor,
} from './table.js';
import { RefusedGlobal, type TorchStorage, TorchTensor } from './torch-objects.js';

/** Looks up where the bytes of a storage lie in the file; throws `ERR_WEIGHTS_FORMAT` where they do not. */
export type FindStorage = (storage: TorchStorage, tensor: string) => Promise<number>;

/** Trainers nest a state dict once or twice, in dicts that are kept by name. */
const DEEPEST = 4;
export const SAVE_STATE_DICT = 'save the state dict alone: torch.save(model.state_dict(), "weights.pth")';

/**
 * Every dict of tensors in a pickle, outermost first.
 *
 * @throws ResnetTorchError `ERR_WEIGHTS_FORMAT` where there is none, with what there is
 */
export function tensorGroups(path: string, top: PickleValue, find: FindStorage): readonly TensorGroup[] {
  const groups: TensorGroup[] = [];
  const seen = new Set<Dict>();
  const visit = (value: PickleValue, place: readonly string[]): void => {
    if (!(value instanceof PickleDict) || seen.has(value) || place.length > DEEPEST) return;
    seen.add(value);
    const tensors = new Map<string, FoundTensor>();
    for (const [name, entry] of value.entries) {
      const tensor = typeof name === 'string' ? foundTensor(path, entry, find) : null;
      if (tensor !== null) tensors.set(name as string, tensor);
    }
    if ([...value.entries.values()].some((entry) => entry instanceof TorchTensor)) groups.push({ place, tensors });
    for (const [key, entry] of value.entries) if (typeof key === 'string') visit(entry, [...place, key]);
  };
  visit(top, []);
  if (groups.length > 0) return groups;
  throw formatError(
    path,
    `holds no state dict: it holds ${describe(top)}. One is looked for at top level and under keys such as ` +
      `${NESTS.join(', ')}. In Python, ${SAVE_STATE_DICT}.`,
  );
}

/** What a fault in a pickle means for the file at `path`. */
export function pickleError(path: string, error: unknown): unknown {
  if (!(error instanceof PickleFault)) return error;
  const remedy =
    error instanceof RefusedGlobal
      ? 'It was refused, and nothing was run: do not load this file in Python either, unless you trust where it comes from.'
      : `In Python, ${SAVE_STATE_DICT}.`;
  return formatError(path, `its pickle ${error.message}. ${remedy}`, { cause: error });
}

function describe(top: PickleValue): string {
  if (top instanceof PickleUnread) return `an object of ${printable(top.constructorName)}, not a dict`;
  if (top instanceof TorchTensor) return 'a single tensor';
  if (!(top instanceof PickleDict)) return 'no dict';
  const keys = [...top.entries].map(([key, value]) =>
    value instanceof PickleUnread ? `${String(key)} (an object of ${value.constructorName})` : String(key),
  );
  return `a dict with the keys ${listNames(keys) || '(none)'}`;
}

function foundTensor(path: string, value: PickleValue, find: FindStorage): FoundTensor | null {
  if (value instanceof TorchTensor) {
    return { shape: value.shape, identity: value.storage, locate: (name) => locate(path, name, value, find) };
  }
  if (!(value instanceof PickleUnread) || !value.constructorName.startsWith('torch.')) return null;
  const refuse = async (name: string): Promise<never> => {
    throw notRead(path, name, `a tensor made by ${value.constructorName}`);
  };
  return { shape: [], identity: null, locate: refuse };
}

function notRead(path: string, name: string, kind: string) {
  return formatError(
    path,
    `${printable(name)} is ${printable(kind)}, which is not read. Save it as plain numbers, such as float32.`,
  );
}

async function locate(path: string, name: string, tensor: TorchTensor, find: FindStorage): Promise<StoredTensor> {
  const { storage, offset, shape, strides } = tensor;
  const { dtype } = storage;
  if (dtype === null) throw notRead(path, name, `a tensor of ${storage.type.name}`);
  const start = await find(storage, name);
  const bytes = DTYPE_BYTES[dtype];
  const count = elementCount(shape);
  const contiguous = isContiguous(shape, strides);
  // A strided tensor ends behind its last element, and lies among others before that.
  const span =
    count === 0 || contiguous ? count : 1 + sum(shape.map((side, axis) => (side - 1) * (strides[axis] ?? 0)));
  if (count === null || span === null || (count > 0 && offset + span > storage.count)) {
    throw formatError(
      path,
      `the tensor ${printable(name)} of shape ${formatShape(shape)} reaches past its data. The file is damaged.`,
    );
  }
  const stored = { name, dtype, shape, offset: start + (count === 0 ? 0 : offset * bytes), length: span * bytes };
  return contiguous ? stored : { ...stored, strides };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** As PyTorch decides it: the stride of an axis with one element does not matter. */
function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  if (shape.includes(0)) return true;
  let step = 1;
  for (let axis = shape.length - 1; axis >= 0; axis -= 1) {
    const side = shape[axis] as number;
    if (side !== 1 && strides[axis] !== step) return false;
    step *= side;
  }
  return true;
}
