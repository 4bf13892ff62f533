import { closeSync, openSync, readSync } from 'node:fs';
import type { Values } from '../parity/safetensors.js';
import type { NamedTensor } from './digest.js';

interface Entry {
  readonly dtype: keyof typeof TYPES;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

const TYPES = { F64: Float64Array, F32: Float32Array, I64: BigInt64Array } as const;

/** A safetensors file in the order of its data: all names and shapes, and the values of the tensors that are wanted. */
export function readFile(
  path: string,
  wanted: (name: string) => boolean,
): { readonly metadata: Readonly<Record<string, string>>; readonly tensors: readonly NamedTensor[] } {
  const file = openSync(path, 'r');
  try {
    const bytes = (from: number, length: number): ArrayBuffer => {
      const buffer = new Uint8Array(length);
      readSync(file, buffer, 0, length, from);
      return buffer.buffer;
    };
    const headerLength = Number(new DataView(bytes(0, 8)).getBigUint64(0, true));
    const header = JSON.parse(Buffer.from(bytes(8, headerLength)).toString());
    const { __metadata__: metadata = {}, ...entries } = header as { __metadata__?: Record<string, string> };
    const tensors = Object.entries(entries as Record<string, Entry>)
      .sort(([, { data_offsets: a }], [, { data_offsets: b }]) => a[0] - b[0])
      .map(
        ([
          name,
          {
            dtype,
            shape,
            data_offsets: [from, to],
          },
        ]): NamedTensor => {
          const read = (): Values => new TYPES[dtype](bytes(8 + headerLength + from, to - from));
          return { name, shape, dtype, values: wanted(name) ? read() : null };
        },
      );
    return { metadata, tensors };
  } finally {
    closeSync(file);
  }
}
