import type { PickleEnvironment } from './pickle.js';
import {
  PickleDict,
  PickleFault,
  PickleFunction,
  PickleList,
  PickleOpaque,
  PickleTuple,
  type PickleValue,
} from './pickle-values.js';
import { printable, type StoredDtype } from './table.js';

class StorageType extends PickleOpaque {
  readonly kind = 'storage type';
  constructor(readonly dtype: StoredDtype) {
    super();
  }
}

/** A run of elements of one dtype in the record `data/<key>` of the archive. */
export class TorchStorage extends PickleOpaque {
  readonly kind = 'storage';
  constructor(
    readonly dtype: StoredDtype,
    readonly key: string,
    readonly count: number,
  ) {
    super();
  }
}

/** A view of a storage. Offset and strides count elements. Nothing is checked against the storage yet. */
export class TorchTensor extends PickleOpaque {
  readonly kind = 'tensor';
  constructor(
    readonly storage: TorchStorage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {
    super();
  }
}

/** A harmless value that may lie beside a state dict and that nothing reads: a device, a dtype. */
class Token extends PickleOpaque {
  readonly kind = 'token';
}

const STORAGES: Readonly<Record<string, StoredDtype>> = {
  DoubleStorage: 'F64',
  FloatStorage: 'F32',
  HalfStorage: 'F16',
  BFloat16Storage: 'BF16',
  LongStorage: 'I64',
  IntStorage: 'I32',
  ShortStorage: 'I16',
  CharStorage: 'I8',
  ByteStorage: 'U8',
  BoolStorage: 'BOOL',
};

const DTYPES = ['float64', 'float32', 'float16', 'bfloat16', 'int64', 'int32', 'int16', 'int8', 'uint8', 'bool'];

function fn(name: string, call: (parameters: readonly PickleValue[]) => PickleValue): [string, PickleValue] {
  return [name, new PickleFunction(name, call)];
}

/** Everything that a file may name. Each is a pure function of its parameters; none can reach outside the pickle. */
const GLOBALS: ReadonlyMap<string, PickleValue> = new Map<string, PickleValue>([
  ...Object.entries(STORAGES).map(([name, dtype]): [string, PickleValue] => [`torch.${name}`, new StorageType(dtype)]),
  ...DTYPES.map((name): [string, PickleValue] => [`torch.${name}`, new Token()]),
  fn('collections.OrderedDict', orderedDict),
  fn('torch._utils._rebuild_tensor_v2', rebuildTensor),
  fn('torch._utils._rebuild_parameter', rebuildParameter),
  fn('torch._utils._rebuild_parameter_with_state', rebuildParameter),
  fn('torch.Size', first),
  // A scheduler's milestones and the like: their contents are kept as they came.
  fn('collections.Counter', first),
  fn('builtins.set', first),
  fn('__builtin__.set', first),
  fn('torch.device', () => new Token()),
]);

/** The globals and persistent ids that `torch.save` of a state dict uses. */
export const TORCH_ENVIRONMENT: PickleEnvironment = {
  global(name) {
    const value = GLOBALS.get(name);
    if (value === undefined) throw new RefusedGlobal(name);
    return value;
  },
  persistent: storageOf,
};

/** A global that is not allowed. It was neither looked up nor called. */
export class RefusedGlobal extends PickleFault {
  constructor(readonly global: string) {
    super(`asks for ${describeGlobal(global)}, which a state dict does not need`);
  }
}

/** Pickles name the functions of `os` by the module that implements them. */
function describeGlobal(name: string): string {
  const system = /^(?:posix|nt)\.(\w+)$/.exec(name)?.[1];
  return system === undefined ? printable(name) : `${name} (os.${system})`;
}

function first(parameters: readonly PickleValue[]): PickleValue {
  return parameters[0] ?? null;
}

function orderedDict(parameters: readonly PickleValue[]): PickleValue {
  if (parameters.length > 0) throw new PickleFault('makes an OrderedDict as Python 2 did');
  return new PickleDict();
}

/** `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks, metadata=None)` */
function rebuildTensor(parameters: readonly PickleValue[]): PickleValue {
  const [storage, offset, shape, strides] = parameters;
  if (!(storage instanceof TorchStorage) || !isIndex(offset))
    throw new PickleFault('rebuilds a tensor from other things than a storage');
  const sizes = indices(shape);
  const steps = indices(strides);
  if (sizes.length !== steps.length) throw new PickleFault('holds a tensor whose shape and strides differ in length');
  return new TorchTensor(storage, offset, sizes, steps);
}

/** `_rebuild_parameter(data, requires_grad, backward_hooks[, state])` */
function rebuildParameter([data]: readonly PickleValue[]): PickleValue {
  if (!(data instanceof TorchTensor)) throw new PickleFault('rebuilds a parameter from other things than a tensor');
  return data;
}

/** `('storage', torch.FloatStorage, key, location, elements)`; the location (a device) does not matter here. */
function storageOf(id: PickleValue): PickleValue {
  const [kind, type, key, , count] = id instanceof PickleTuple ? id.items : [];
  if (kind !== 'storage' || !(type instanceof StorageType) || typeof key !== 'string' || !isIndex(count)) {
    throw new PickleFault('refers to data in a way that torch.save does not');
  }
  return new TorchStorage(type.dtype, key, count);
}

function indices(value: PickleValue | undefined): readonly number[] {
  const items = value instanceof PickleTuple || value instanceof PickleList ? value.items : null;
  if (items === null || items.length > 64 || !items.every(isIndex))
    throw new PickleFault('holds a tensor without a valid shape or strides');
  return items as readonly number[];
}

function isIndex(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
