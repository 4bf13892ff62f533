/**
 * The safetensors format: a little-endian uint64 header length, a JSON header, the tensors' bytes. As the format's own
 * reader demands, the tensors cover the data section exactly, without overlaps or holes.
 *
 * Source: https://github.com/huggingface/safetensors (README, "Format").
 */

import type { FileReader } from './file-reader.js';
import type { FoundTensor, TensorSource } from './source.js';
import { DTYPE_BYTES, elementCount, formatError, printable, type StoredDtype, type StoredTensor } from './table.js';

const LENGTH_BYTES = 8;
/** The format allows 100 MB; a ResNet-50's header takes 40 kB, so this leaves room for a long list of classes. */
const MAX_HEADER_BYTES = 16 * 1024 * 1024;

/** @throws ResnetTorchError `ERR_WEIGHTS_FORMAT` when the file breaks the format in any way. */
export async function readSafetensors(file: FileReader): Promise<TensorSource> {
  if (file.size < LENGTH_BYTES) throw formatError(file.path, 'is truncated: too short for a safetensors file.');
  const length = (await file.read(0, LENGTH_BYTES)).readBigUInt64LE();
  if (length > MAX_HEADER_BYTES) {
    throw formatError(
      file.path,
      `its safetensors header claims ${length} bytes; at most ${MAX_HEADER_BYTES} are read.`,
    );
  }
  const dataOffset = LENGTH_BYTES + Number(length);
  if (dataOffset > file.size) {
    throw formatError(
      file.path,
      `is truncated: its header takes ${dataOffset} bytes, the file has ${file.size}. Download or copy it again.`,
    );
  }
  const header = parseHeader(file.path, await file.read(LENGTH_BYTES, Number(length)));
  const metadata = parseMetadata(file.path, header.get('__metadata__'));
  header.delete('__metadata__');
  const tensors = [...header].map(([name, value]) => parseTensor(file.path, name, value, dataOffset));
  checkCover(file, tensors, dataOffset);
  return {
    path: file.path,
    format: 'safetensors',
    groups: [{ place: [], tensors: new Map(tensors.map((tensor) => [tensor.name, found(tensor)])) }],
    metadata,
  };
}

function found(tensor: StoredTensor): FoundTensor {
  return { shape: tensor.shape, identity: null, locate: async (name) => ({ ...tensor, name }) };
}

function parseHeader(path: string, bytes: Buffer): Map<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw formatError(path, 'its safetensors header is not JSON. The file is damaged or of another format.', {
      cause: error,
    });
  }
  if (!isObject(header)) throw formatError(path, 'its safetensors header is not a JSON object.');
  return new Map(Object.entries(header));
}

function parseMetadata(path: string, value: unknown): Readonly<Record<string, string>> {
  const metadata: Record<string, string> = Object.create(null);
  if (value === undefined) return metadata;
  if (!isObject(value)) throw formatError(path, 'its __metadata__ is not a JSON object.');
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string')
      throw formatError(path, `its __metadata__ holds "${printable(key)}", which is not a string.`);
    metadata[key] = text;
  }
  return metadata;
}

function parseTensor(path: string, name: string, value: unknown, dataOffset: number): StoredTensor {
  const shown = printable(name);
  if (!isObject(value)) throw formatError(path, `its entry for the tensor ${shown} is not a JSON object.`);
  const { dtype, shape, data_offsets: offsets } = value;
  if (typeof dtype !== 'string' || !Object.hasOwn(DTYPE_BYTES, dtype)) {
    throw formatError(
      path,
      `the tensor ${shown} has dtype ${printable(String(dtype))}, which is not read; save it as float32, float16 or bfloat16.`,
    );
  }
  if (!isSizes(shape)) throw formatError(path, `the tensor ${shown} has no valid shape.`);
  if (!isSizes(offsets) || offsets.length !== 2)
    throw formatError(path, `the tensor ${shown} has no valid data_offsets.`);
  const [begin, end] = offsets as [number, number];
  const count = elementCount(shape);
  const length = count === null ? null : count * DTYPE_BYTES[dtype as StoredDtype];
  if (end < begin || end - begin !== length) {
    throw formatError(
      path,
      `the tensor ${shown} takes ${end - begin} bytes, but its dtype and shape need ${length ?? 'too many'}.`,
    );
  }
  return {
    name,
    dtype: dtype as StoredDtype,
    shape,
    offset: dataOffset + begin,
    length,
  };
}

function checkCover(file: FileReader, tensors: readonly StoredTensor[], dataOffset: number): void {
  const ordered = [...tensors].sort((a, b) => a.offset - b.offset || a.length - b.length);
  let end = dataOffset;
  for (const tensor of ordered) {
    const shown = printable(tensor.name);
    if (tensor.offset < end) throw formatError(file.path, `the tensor ${shown} overlaps another one.`);
    if (tensor.offset > end)
      throw formatError(file.path, `there is a hole of ${tensor.offset - end} bytes before the tensor ${shown}.`);
    end += tensor.length;
  }
  if (end > file.size) {
    throw formatError(
      file.path,
      `is truncated: its tensors end at byte ${end}, the file at ${file.size}. Download or copy it again.`,
    );
  }
  if (end < file.size)
    throw formatError(file.path, `${file.size - end} bytes follow the last tensor. The file is damaged.`);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}
