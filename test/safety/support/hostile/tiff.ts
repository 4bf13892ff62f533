/** A field of a TIFF directory: SHORT for 3, LONG for 4, LONG8 for 16. */
export type TiffField = readonly [tag: number, type: number, values: readonly number[]];

export const WIDTH = 256;
export const HEIGHT = 257;
export const BITS = 258;
export const COMPRESSION = 259;
export const PHOTOMETRIC = 262;
export const STRIP_OFFSETS = 273;
export const ORIENTATION = 274;
export const SAMPLES = 277;
export const ROWS = 278;
export const STRIP_LENGTHS = 279;
export const TILE_WIDTH = 322;
export const TILE_HEIGHT = 323;
export const TILE_OFFSETS = 324;
export const TILE_LENGTHS = 325;
export const SAMPLE_FORMAT = 339;

export const PLAIN = 1;
export const DEFLATE = 8;

const SIZES: Readonly<Record<number, number>> = { 1: 1, 3: 2, 4: 4, 16: 8 };

/** One directory of a little-endian TIFF that lies at `at`, with the values that do not fit after it. */
export function tiffDirectory(at: number, fields: readonly TiffField[], next = 0): Buffer {
  const sorted = [...fields].sort(([a], [b]) => a - b);
  const directory = Buffer.alloc(2 + 12 * sorted.length + 4);
  directory.writeUInt16LE(sorted.length, 0);
  const rest: Buffer[] = [];
  let free = at + directory.length;
  for (const [i, [tag, type, values]] of sorted.entries()) {
    const entry = 2 + 12 * i;
    const size = SIZES[type] ?? 1;
    const bytes = Buffer.alloc(Math.max(4, size * values.length));
    for (const [k, value] of values.entries()) {
      if (size === 8) bytes.writeBigUInt64LE(BigInt(value), 8 * k);
      else bytes.writeUIntLE(value, size * k, size);
    }
    directory.writeUInt16LE(tag, entry);
    directory.writeUInt16LE(type, entry + 2);
    directory.writeUInt32LE(values.length, entry + 4);
    if (size * values.length <= 4) {
      bytes.copy(directory, entry + 8, 0, 4);
      continue;
    }
    directory.writeUInt32LE(free, entry + 8);
    rest.push(bytes);
    free += bytes.length;
  }
  directory.writeUInt32LE(next, 2 + 12 * sorted.length);
  return Buffer.concat([directory, ...rest]);
}

export interface TiffParts {
  readonly width: number;
  readonly height: number;
  readonly samples?: number;
  /** Bits a sample. Default 8. */
  readonly bits?: number;
  readonly compression?: number;
  /** The only strip's bytes. */
  readonly data: Buffer;
  /** Put in, or in the place of those of the same tag. */
  readonly fields?: readonly TiffField[];
  /** Where the next directory lies; by default there is none. */
  readonly next?: number;
}

/** A TIFF of one strip: header, data, directory. */
export function tiff({ width, height, samples = 1, bits = 8, compression = PLAIN, ...parts }: TiffParts): Buffer {
  const header = Buffer.from('49492a0000000000', 'hex');
  const padded = Buffer.concat([parts.data, Buffer.alloc(parts.data.length % 2)]);
  const at = header.length + padded.length;
  header.writeUInt32LE(at, 4);
  const fields: readonly TiffField[] = [
    [WIDTH, 4, [width]],
    [HEIGHT, 4, [height]],
    [BITS, 3, Array(samples).fill(bits)],
    [COMPRESSION, 3, [compression]],
    [PHOTOMETRIC, 3, [samples >= 3 ? 2 : 1]],
    [STRIP_OFFSETS, 4, [header.length]],
    [SAMPLES, 3, [samples]],
    [ROWS, 4, [height]],
    [STRIP_LENGTHS, 4, [parts.data.length]],
  ];
  const own = new Map(fields.map((field) => [field[0], field]));
  for (const field of parts.fields ?? []) own.set(field[0], field);
  return Buffer.concat([header, padded, tiffDirectory(at, [...own.values()], parts.next)]);
}

/** EXIF's block: one directory of one orientation. */
export function exif(orientation: number, type = 3): Buffer {
  const header = Buffer.from('49492a0008000000', 'hex');
  return Buffer.concat([header, tiffDirectory(8, [[ORIENTATION, type, [orientation]]])]);
}
