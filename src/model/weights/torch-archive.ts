/**
 * The files of `torch.save` since PyTorch 1.6: a zip with `<root>/data.pkl`, a pickle whose tensors refer to the
 * records `<root>/data/<key>`. Source: PyTorch, docs/source/notes/serialization.rst and torch/serialization.py.
 */

import type { FileReader } from './file-reader.js';
import { unpickle } from './pickle.js';
import { PickleDict, PickleFault, type PickleValue } from './pickle-values.js';
import {
  DTYPE_BYTES,
  elementCount,
  formatError,
  formatShape,
  listNames,
  printable,
  type StoredTensor,
  type TensorTable,
  unwrapNames,
} from './table.js';
import { RefusedGlobal, TORCH_ENVIRONMENT, TorchTensor } from './torch-objects.js';
import { readZipDirectory, type ZipEntry, zipDataOffset } from './zip.js';

/** A checkpoint with optimizer state and a long history stays below one; ResNet-50's state dict takes 40 kB. */
const MAX_PICKLE_BYTES = 16 * 1024 * 1024;
/** Where trainers put the state dict, likeliest first. */
const NESTS = ['state_dict', 'model_state_dict', 'model'];
const SAVE_STATE_DICT = 'save the state dict alone: torch.save(model.state_dict(), "weights.pth")';

/** @throws ResnetTorchError `ERR_WEIGHTS_FORMAT` for anything but an intact state dict, naming what is wrong. */
export async function readTorchArchive(file: FileReader): Promise<TensorTable> {
  const entries = await readZipDirectory(file);
  const root = rootOf(file.path, entries);
  await checkByteOrder(file, entries.get(`${root}/byteorder`));
  const stateDict = findStateDict(file.path, await readPickle(file, entries.get(`${root}/data.pkl`) as ZipEntry));
  const records = new Records(file, entries, `${root}/data/`);
  const tensors: StoredTensor[] = [];
  for (const [name, tensor] of stateDict) tensors.push(await records.locate(name, tensor));
  return {
    path: file.path,
    format: 'torch',
    tensors: unwrapNames(file.path, tensors),
    metadata: Object.create(null),
  };
}

function rootOf(path: string, entries: ReadonlyMap<string, ZipEntry>): string {
  const roots = [...entries.keys()].flatMap((name) => /^([^/]+)\/data\.pkl$/.exec(name)?.[1] ?? []);
  const [root] = roots;
  if (root === undefined || roots.length > 1) {
    const fault = root === undefined ? 'it has no data.pkl' : 'it has several data.pkl';
    throw formatError(
      path,
      `is a zip archive, but not one of torch.save: ${fault}. It holds ${listNames([...entries.keys()], 5) || 'nothing'}.`,
    );
  }
  if (entries.has(`${root}/constants.pkl`)) {
    throw formatError(
      path,
      `is a TorchScript archive. In Python, ${SAVE_STATE_DICT}, with model = torch.jit.load("${printable(path)}").`,
    );
  }
  return root;
}

async function checkByteOrder(file: FileReader, entry: ZipEntry | undefined): Promise<void> {
  if (entry === undefined) return;
  const order = (await readRecord(file, entry, 16)).toString('latin1');
  if (order !== 'little')
    throw formatError(file.path, `its numbers are ${printable(order)}-endian; only little-endian files are read.`);
}

async function readRecord(file: FileReader, entry: ZipEntry, limit: number): Promise<Buffer> {
  const offset = await zipDataOffset(file, entry);
  if (entry.size > limit)
    throw formatError(file.path, `its ${printable(entry.name)} takes ${entry.size} bytes; at most ${limit} are read.`);
  return file.read(offset, entry.size);
}

async function readPickle(file: FileReader, entry: ZipEntry): Promise<PickleValue> {
  const bytes = await readRecord(file, entry, MAX_PICKLE_BYTES);
  try {
    return await unpickle(bytes, TORCH_ENVIRONMENT);
  } catch (error) {
    if (!(error instanceof PickleFault)) throw error;
    const remedy =
      error instanceof RefusedGlobal
        ? `${refusal(error.global)} If you trust where the file comes from, load it in Python and `
        : 'In Python, ';
    throw formatError(file.path, `its pickle ${error.message}. ${remedy}${SAVE_STATE_DICT}.`, { cause: error });
  }
}

function refusal(global: string): string {
  const wholeModel = /^(torchvision|timm|torch\.nn|__main__)\./.test(global);
  return wholeModel
    ? 'It seems to hold a whole model object; nothing was run.'
    : 'It was refused, and nothing was run.';
}

/** The tensors of the state dict, at top level or in one of the nests, in the file's order. */
function findStateDict(path: string, top: PickleValue): readonly (readonly [string, TorchTensor])[] {
  let dict = top;
  // Checkpoints nest once or twice; a dict that holds itself ends here too.
  for (let depth = 0; depth < 4 && dict instanceof PickleDict; depth += 1) {
    const inner = NESTS.map((nest) => (dict as PickleDict).entries.get(nest)).find(
      (value) => value instanceof PickleDict,
    );
    if (inner === undefined) break;
    dict = inner;
  }
  const found = dict instanceof PickleDict ? [...dict.entries].filter(isNamedTensor) : [];
  if (found.length > 0) return found;
  const held =
    top instanceof PickleDict
      ? `a dict with the keys ${listNames([...top.entries.keys()].map(String)) || '(none)'}`
      : top instanceof TorchTensor
        ? 'a single tensor'
        : 'no dict';
  throw formatError(
    path,
    `holds no state dict: it holds ${held}. One is looked for at top level and under ${NESTS.join(', ')}. In Python, ${SAVE_STATE_DICT}.`,
  );
}

function isNamedTensor(entry: [PickleValue, PickleValue]): entry is [string, TorchTensor] {
  return typeof entry[0] === 'string' && entry[1] instanceof TorchTensor;
}

/** Finds tensors' bytes; each record's local header is read once, however many tensors share it. */
class Records {
  readonly #file: FileReader;
  readonly #entries: ReadonlyMap<string, ZipEntry>;
  readonly #prefix: string;
  readonly #offsets = new Map<string, number>();

  constructor(file: FileReader, entries: ReadonlyMap<string, ZipEntry>, prefix: string) {
    this.#file = file;
    this.#entries = entries;
    this.#prefix = prefix;
  }

  async locate(name: string, tensor: TorchTensor): Promise<StoredTensor> {
    const { storage, offset, shape, strides } = tensor;
    const path = this.#file.path;
    const entry = this.#entries.get(this.#prefix + storage.key);
    if (entry === undefined) {
      throw formatError(
        path,
        `the data of ${printable(name)} (record ${printable(storage.key)}) is missing. Download or copy it again.`,
      );
    }
    const bytes = DTYPE_BYTES[storage.dtype];
    if (entry.size !== storage.count * bytes) {
      throw formatError(
        path,
        `the data of ${printable(name)} takes ${entry.size} bytes, but ${storage.count * bytes} are expected. The file is damaged.`,
      );
    }
    if (!isContiguous(shape, strides)) {
      throw formatError(
        path,
        `the tensor ${printable(name)} of shape ${formatShape(shape)} is not contiguous (strides ${formatShape(strides)}, such as a channels-last ` +
          'model has). Save it so: torch.save({k: v.contiguous() for k, v in model.state_dict().items()}, "weights.pth").',
      );
    }
    const count = elementCount(shape);
    if (count === null || (count > 0 && offset + count > storage.count)) {
      throw formatError(
        path,
        `the tensor ${printable(name)} of shape ${formatShape(shape)} reaches past its data. The file is damaged.`,
      );
    }
    const start = count === 0 ? 0 : offset * bytes;
    return {
      name,
      dtype: storage.dtype,
      shape,
      offset: (await this.#offsetOf(entry)) + start,
      length: count * bytes,
    };
  }

  async #offsetOf(entry: ZipEntry): Promise<number> {
    const known = this.#offsets.get(entry.name);
    if (known !== undefined) return known;
    const offset = await zipDataOffset(this.#file, entry);
    this.#offsets.set(entry.name, offset);
    return offset;
  }
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
