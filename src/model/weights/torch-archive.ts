/**
 * The files of `torch.save` since PyTorch 1.6: a zip with `<root>/data.pkl`, a pickle whose tensors refer to the
 * records `<root>/data/<key>`. Source: PyTorch, docs/source/notes/serialization.rst and torch/serialization.py.
 */

import type { FileReader } from './file-reader.js';
import { unpickle } from './pickle.js';
import type { PickleValue } from './pickle-values.js';
import type { TensorSource } from './source.js';
import { formatError, listNames, printable } from './table.js';
import { type TorchStorage, torchEnvironment } from './torch-objects.js';
import { pickleError, SAVE_STATE_DICT, tensorGroups } from './torch-state.js';
import { readZipDirectory, type ZipEntry, zipDataOffset } from './zip.js';

/** A checkpoint with optimizer state and a long history stays below one; ResNet-50's state dict takes 40 kB. */
export const MAX_PICKLE_BYTES = 16 * 1024 * 1024;

/** @throws ResnetTorchError `ERR_WEIGHTS_FORMAT` for anything but an intact archive, naming what is wrong. */
export async function readTorchArchive(file: FileReader): Promise<TensorSource> {
  const entries = await readZipDirectory(file);
  const root = rootOf(file.path, entries);
  await checkByteOrder(file, entries.get(`${root}/byteorder`));
  const top = await readPickle(file, entries.get(`${root}/data.pkl`) as ZipEntry);
  const records = new Records(file, entries, `${root}/data/`);
  return {
    path: file.path,
    format: 'torch',
    groups: tensorGroups(file.path, top, (storage, tensor) => records.find(storage, tensor)),
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
    return await unpickle(bytes, torchEnvironment());
  } catch (error) {
    throw pickleError(file.path, error);
  }
}

/** Finds storages' bytes; each record's local header is read once, however many tensors share it. */
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

  async find(storage: TorchStorage, tensor: string): Promise<number> {
    const { path } = this.#file;
    const entry = this.#entries.get(this.#prefix + storage.key);
    if (entry === undefined) {
      throw formatError(
        path,
        `the data of ${printable(tensor)} (record ${printable(storage.key)}) is missing. Download or copy it again.`,
      );
    }
    if (entry.size !== storage.bytes) {
      throw formatError(
        path,
        `the data of ${printable(tensor)} takes ${entry.size} bytes, but ${storage.bytes} are expected. The file is damaged.`,
      );
    }
    const known = this.#offsets.get(entry.name);
    if (known !== undefined) return known;
    const offset = await zipDataOffset(this.#file, entry);
    this.#offsets.set(entry.name, offset);
    return offset;
  }
}
