import type { PickleEnvironment } from './pickle.js';
import {
  PickleDict,
  PickleFault,
  PickleFunction,
  PickleList,
  PickleOpaque,
  PickleTuple,
  PickleUnread,
  type PickleValue,
} from './pickle-values.js';
import { DTYPE_BYTES, printable, type StoredDtype } from './table.js';

class StorageType extends PickleOpaque {
  readonly kind = 'storage type';
  constructor(
    readonly name: string,
    readonly dtype: StoredDtype | null,
    /** Of an element. */
    readonly bytes: number,
  ) {
    super();
  }
}

/** A run of elements of one dtype in the record `key` of the file. */
export class TorchStorage extends PickleOpaque {
  readonly kind = 'storage';
  constructor(
    readonly type: StorageType,
    readonly key: string,
    readonly count: number,
  ) {
    super();
  }

  /** `null` for one that is not read, such as complex numbers. */
  get dtype(): StoredDtype | null {
    return this.type.dtype;
  }

  get bytes(): number {
    return this.count * this.type.bytes;
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

/** Storages whose tensors are not read, and the bytes of an element: a file may hold them beside the weights. */
const UNREAD_STORAGES: Readonly<Record<string, number>> = {
  ComplexFloatStorage: 8,
  ComplexDoubleStorage: 16,
  QInt8Storage: 1,
  QUInt8Storage: 1,
  QInt32Storage: 4,
  UntypedStorage: 1,
};

const DTYPES = ['float64', 'float32', 'float16', 'bfloat16', 'int64', 'int32', 'int16', 'int8', 'uint8', 'bool'];

function fn(name: string, call: (parameters: readonly PickleValue[]) => PickleValue): [string, PickleValue] {
  return [name, new PickleFunction(name, call)];
}

/** What is known by name. Each function is a pure one of its parameters; none can reach outside the pickle. */
const GLOBALS: ReadonlyMap<string, PickleValue> = new Map<string, PickleValue>([
  ...Object.entries(STORAGES).map(([name, dtype]): [string, PickleValue] => [
    `torch.${name}`,
    new StorageType(name, dtype, DTYPE_BYTES[dtype]),
  ]),
  ...Object.entries(UNREAD_STORAGES).flatMap(([name, bytes]): [string, PickleValue][] =>
    ['torch', 'torch.storage'].map((module) => [`${module}.${name}`, new StorageType(name, null, bytes)]),
  ),
  ...DTYPES.map((name): [string, PickleValue] => [`torch.${name}`, new Token()]),
  fn('collections.OrderedDict', orderedDict),
  fn('collections.defaultdict', () => new PickleDict()),
  fn('torch._utils._rebuild_tensor_v2', rebuildTensor),
  fn('torch._utils._rebuild_tensor', rebuildTensor),
  fn('torch._utils._rebuild_parameter', rebuildParameter),
  fn('torch._utils._rebuild_parameter_with_state', rebuildParameter),
  fn('torch._tensor._rebuild_from_type_v2', rebuildFromType),
  fn('torch.Size', first),
  // A scheduler's milestones and the like: their contents are kept as they came.
  fn('collections.Counter', first),
  fn('builtins.set', first),
  fn('__builtin__.set', first),
  fn('torch.device', () => new Token()),
]);

/**
 * What no checkpoint has a use for: what starts programs, runs code, or opens files and connections. Such a file is no
 * weights file but an attack, and is refused whole, though nothing of it would be run.
 */
const HOSTILE =
  /^(?:(?:os|posix|nt|subprocess|sys|shutil|socket|pty|runpy|importlib|ctypes|webbrowser|pickle|_pickle|cPickle)(?:\.|$)|torch\.(?:load|hub|serialization)\b|(?:builtins|__builtin__)\.(?:eval|exec|execfile|compile|open|file|input|breakpoint|__import__)$)|__(?:builtins|class|globals|subclasses|import)__/;

/** The globals and persistent ids that `torch.save` uses; anything else is an object that is kept unread. */
export function torchEnvironment(): PickleEnvironment & { readonly storages: ReadonlyMap<string, TorchStorage> } {
  const storages = new Map<string, TorchStorage>();
  return {
    storages,
    global(name) {
      const value = GLOBALS.get(name);
      if (value !== undefined) return value;
      if (HOSTILE.test(name) || /\p{C}/u.test(name)) throw new RefusedGlobal(name);
      return new PickleUnread(name);
    },
    persistent(id) {
      const storage = storageOf(id);
      if (!(storage instanceof TorchStorage)) return storage;
      const known = storages.get(storage.key);
      if (known?.type === storage.type && known.count === storage.count) return known;
      if (known !== undefined) throw new PickleFault(`gives its record ${printable(storage.key)} two sizes or dtypes`);
      storages.set(storage.key, storage);
      return storage;
    },
  };
}

/** A global that is not allowed. It was neither looked up nor called. */
export class RefusedGlobal extends PickleFault {
  constructor(readonly global: string) {
    super(`asks for ${describeGlobal(global)}, which no weights need`);
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

/** Python 2 hands it the items, as a list of pairs. */
function orderedDict([items]: readonly PickleValue[]): PickleValue {
  const dict = new PickleDict();
  if (items === undefined) return dict;
  const pairs = items instanceof PickleList ? items.items.map(sequence) : [null];
  for (const pair of pairs) {
    if (pair === null || pair.length !== 2) throw new PickleFault('makes an OrderedDict of other things than pairs');
    dict.entries.set(pair[0] as PickleValue, pair[1] as PickleValue);
  }
  return dict;
}

function sequence(value: PickleValue | undefined): readonly PickleValue[] | null {
  return value instanceof PickleTuple || value instanceof PickleList ? value.items : null;
}

/** `_rebuild_tensor_v2(storage, offset, size, stride, requires_grad, backward_hooks, metadata=None)` */
function rebuildTensor(parameters: readonly PickleValue[]): PickleValue {
  const [storage, offset, shape, strides] = parameters;
  if (storage instanceof PickleUnread) return storage;
  if (!(storage instanceof TorchStorage) || !isIndex(offset))
    throw new PickleFault('rebuilds a tensor from other things than a storage');
  const sizes = indices(shape);
  const steps = indices(strides);
  if (sizes.length !== steps.length) throw new PickleFault('holds a tensor whose shape and strides differ in length');
  return new TorchTensor(storage, offset, sizes, steps);
}

/** `_rebuild_parameter(data, requires_grad, backward_hooks[, state])` */
function rebuildParameter([data]: readonly PickleValue[]): PickleValue {
  if (data instanceof PickleUnread) return data;
  if (!(data instanceof TorchTensor)) throw new PickleFault('rebuilds a parameter from other things than a tensor');
  return data;
}

/** `_rebuild_from_type_v2(function, type, parameters, state)`, for a tensor with attributes of its own */
function rebuildFromType([callee, , parameters]: readonly PickleValue[]): PickleValue {
  if (callee instanceof PickleFunction && parameters instanceof PickleTuple) return callee.call(parameters.items);
  return callee instanceof PickleUnread ? callee : new PickleUnread('torch._tensor._rebuild_from_type_v2');
}

/**
 * `('storage', torch.FloatStorage, key, location, elements)`; the location (a device) does not matter here. The old
 * format adds a view of the storage, which is None since PyTorch 0.4, and has `('module', class, file, source)` for the
 * class of a whole model.
 */
function storageOf(id: PickleValue): PickleValue {
  const [kind, type, key, , count, view] = id instanceof PickleTuple ? id.items : [];
  if (kind === 'module' && type instanceof PickleUnread) return type;
  if (kind === 'storage' && type instanceof PickleUnread) return type;
  if (
    kind !== 'storage' ||
    !(type instanceof StorageType) ||
    typeof key !== 'string' ||
    !isIndex(count) ||
    (view !== undefined && view !== null)
  ) {
    throw new PickleFault('refers to data in a way that torch.save does not');
  }
  return new TorchStorage(type, key, count);
}

function indices(value: PickleValue | undefined): readonly number[] {
  const items = sequence(value);
  if (items === null || items.length > 64 || !items.every(isIndex))
    throw new PickleFault('holds a tensor without a valid shape or strides');
  return items as readonly number[];
}

function isIndex(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
