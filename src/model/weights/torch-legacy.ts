/**
 * The files of `torch.save` before PyTorch 1.6, and with `_use_new_zipfile_serialization=False` since: pickles one after
 * another (a magic number, the protocol, the machine, the object, the keys of its storages), then for each key a
 * little-endian int64 count of elements and their bytes. Source: PyTorch, torch/serialization.py (`_legacy_save`).
 */

import type { FileReader } from './file-reader.js';
import { unpickleFrom } from './pickle.js';
import { PickleDict, PickleList, type PickleValue } from './pickle-values.js';
import type { TensorSource } from './source.js';
import { formatError, printable } from './table.js';
import { MAX_PICKLE_BYTES } from './torch-archive.js';
import { type TorchStorage, torchEnvironment } from './torch-objects.js';
import { pickleError, tensorGroups } from './torch-state.js';

/** How such a file begins: the magic number 0x1950a86a20f9469cfc6c as a pickled integer of protocol 2. */
const MAGIC = Buffer.from('80028a0a6cfc9c46f9206aa850192e', 'hex');
const PROTOCOL = 1001;
const COUNT_BYTES = 8;

export function isLegacyTorch(head: Buffer): boolean {
  return head.subarray(0, MAGIC.length).equals(MAGIC);
}

/** @throws ResnetTorchError `ERR_WEIGHTS_FORMAT` for anything but an intact file, naming what is wrong. */
export async function readLegacyTorch(file: FileReader): Promise<TensorSource> {
  const { path } = file;
  const bytes = await file.read(0, Math.min(file.size, MAX_PICKLE_BYTES));
  const environment = torchEnvironment();
  let at = MAGIC.length;
  const next = async (): Promise<PickleValue> => {
    try {
      const { value, end } = await unpickleFrom(bytes, at, environment);
      at = end;
      return value;
    } catch (error) {
      throw pickleError(path, error);
    }
  };
  const protocol = await next();
  if (protocol !== PROTOCOL)
    throw formatError(path, `is of PyTorch's old format ${printable(String(protocol))}; ${PROTOCOL} is read.`);
  const machine = await next();
  if (machine instanceof PickleDict && machine.entries.get('little_endian') === false)
    throw formatError(path, 'its numbers are big-endian; only little-endian files are read.');
  const top = await next();
  const keys = await next();
  const offsets = await storageOffsets(file, at, keys, environment.storages);
  const find = async (storage: TorchStorage, tensor: string): Promise<number> => {
    const offset = offsets.get(storage.key);
    if (offset !== undefined) return offset;
    throw formatError(path, `the data of ${printable(tensor)} is missing. Download or copy it again.`);
  };
  return { path, format: 'torch', groups: tensorGroups(path, top, find), metadata: Object.create(null) };
}

/** Where each storage's bytes begin. They follow one another in the order of the keys. */
async function storageOffsets(
  file: FileReader,
  begin: number,
  keys: PickleValue,
  storages: ReadonlyMap<string, TorchStorage>,
): Promise<ReadonlyMap<string, number>> {
  if (!(keys instanceof PickleList)) throw formatError(file.path, 'holds no list of its data. The file is damaged.');
  const offsets = new Map<string, number>();
  let at = begin;
  for (const key of keys.items) {
    const storage = typeof key === 'string' ? storages.get(key) : undefined;
    if (storage === undefined || offsets.has(storage.key))
      throw formatError(file.path, 'lists data that belongs to no tensor. The file is damaged.');
    const count = (await file.read(at, COUNT_BYTES)).readBigUInt64LE();
    if (count !== BigInt(storage.count)) {
      throw formatError(
        file.path,
        `its record ${printable(storage.key)} has ${count} numbers, but ${storage.count} are expected. The file is damaged.`,
      );
    }
    offsets.set(storage.key, at + COUNT_BYTES);
    at += COUNT_BYTES + storage.bytes;
  }
  if (at > file.size) {
    throw formatError(
      file.path,
      `is truncated: its data ends at byte ${at}, the file at ${file.size}. Download or copy it again.`,
    );
  }
  return offsets;
}
