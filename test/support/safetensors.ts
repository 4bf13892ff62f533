import { writeFile } from 'node:fs/promises';

export interface SafetensorsEntry {
  readonly name: string;
  /** As the format names it: `F32`, `BF16`, … */
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Little-endian, row-major. */
  readonly bytes: Uint8Array;
}

/** A header, as JSON text or as what to write as JSON, and the data section, without any check. */
export function rawSafetensors(header: unknown, data: Uint8Array = new Uint8Array()): Buffer {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

export function safetensorsBytes(
  tensors: readonly SafetensorsEntry[],
  metadata?: Readonly<Record<string, string>>,
): Buffer {
  const header: Record<string, unknown> = metadata === undefined ? {} : { __metadata__: metadata };
  let offset = 0;
  for (const { name, dtype, shape, bytes } of tensors) {
    header[name] = { dtype, shape, data_offsets: [offset, offset + bytes.length] };
    offset += bytes.length;
  }
  return rawSafetensors(header, Buffer.concat(tensors.map(({ bytes }) => bytes)));
}

export async function writeSafetensors(
  path: string,
  tensors: readonly SafetensorsEntry[],
  metadata?: Readonly<Record<string, string>>,
): Promise<void> {
  await writeFile(path, safetensorsBytes(tensors, metadata));
}

/** A float32 tensor. */
export function floats(name: string, shape: readonly number[], values: Iterable<number>): SafetensorsEntry {
  const array = Float32Array.from(values);
  return { name, dtype: 'F32', shape, bytes: new Uint8Array(array.buffer) };
}
