/**
 * Reads and writes safetensors files, for the exchange with Python and for golden files. It shares nothing with the
 * package's own reader, so that one cannot excuse a mistake of the other.
 */

import { readFileSync, writeFileSync } from 'node:fs';
import type { StoredDtype, StoredTensor } from '../../src/native/contract/model.js';

export type Values = Float64Array | Float32Array | Int32Array | BigInt64Array | Uint8Array;

export interface Tensor {
  readonly shape: readonly number[];
  readonly values: Values;
}

export interface TensorFile {
  readonly path: string;
  readonly table: readonly StoredTensor[];
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly metadata: Readonly<Record<string, string>>;
  /** Float values of a tensor that must be there. */
  floats(name: string): Float64Array | Float32Array;
}

const DTYPES = {
  F64: Float64Array,
  F32: Float32Array,
  I32: Int32Array,
  I64: BigInt64Array,
  U8: Uint8Array,
} as const;

interface Entry {
  readonly dtype: StoredDtype;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/** Where each tensor lies in a file; dtypes that have no typed array (F16, BF16) are in the table only. */
export function readTensors(path: string): TensorFile {
  const bytes = readFileSync(path);
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength)) as Record<
    string,
    Entry | Record<string, string>
  >;
  const { __metadata__: metadata = {}, ...entries } = header;
  const table: StoredTensor[] = [];
  const tensors = new Map<string, Tensor>();
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(entries as Record<string, Entry>)) {
    const offset = 8 + headerLength + data_offsets[0];
    const length = data_offsets[1] - data_offsets[0];
    table.push({ name, dtype, shape, offset, length });
    if (!(dtype in DTYPES)) continue;
    const type = DTYPES[dtype as keyof typeof DTYPES];
    const start = bytes.byteOffset + offset;
    // A typed array must start at a multiple of its element size: copied only where the file does not have it so.
    const buffer =
      start % type.BYTES_PER_ELEMENT === 0
        ? bytes.buffer
        : new Uint8Array(bytes.subarray(offset, offset + length)).buffer;
    tensors.set(name, {
      shape,
      values: new type(buffer as ArrayBuffer, buffer === bytes.buffer ? start : 0, length / type.BYTES_PER_ELEMENT),
    });
  }
  const floats = (name: string): Float64Array | Float32Array => {
    const values = tensors.get(name)?.values;
    if (values instanceof Float64Array || values instanceof Float32Array) return values;
    throw new Error(`${path} holds no float tensor ${name}`);
  };
  return { path, table, tensors, metadata: metadata as Record<string, string>, floats };
}

export function writeTensors(path: string, tensors: Readonly<Record<string, Tensor>>): void {
  let offset = 0;
  const header: Record<string, Entry> = {};
  const parts: Uint8Array[] = [];
  for (const [name, { shape, values }] of Object.entries(tensors)) {
    header[name] = { dtype: dtypeOf(values), shape, data_offsets: [offset, offset + values.byteLength] };
    parts.push(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
    offset += values.byteLength;
  }
  const text = JSON.stringify(header);
  const head = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(head.length));
  writeFileSync(path, Buffer.concat([length, head, ...parts]));
}

function dtypeOf(values: Values): StoredDtype {
  for (const [dtype, type] of Object.entries(DTYPES)) if (values instanceof type) return dtype as StoredDtype;
  throw new TypeError('not a typed array that safetensors knows');
}
