import { constants, crc32, deflateRawSync, deflateSync } from 'node:zlib';

const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');

export const GREY = 0;
export const RGB = 2;
export const PALETTE = 3;
export const RGBA = 6;

const SAMPLES: Readonly<Record<number, number>> = { [GREY]: 1, [RGB]: 3, [PALETTE]: 1, [RGBA]: 4 };

export interface PngParts {
  readonly width: number;
  readonly height: number;
  /** Bits a sample. Default 8. */
  readonly depth?: number;
  /** Default GREY. */
  readonly colour?: number;
  readonly interlaced?: boolean;
  /** The compressed data. Default: zeros for all rows. */
  readonly data?: Buffer;
  /** Chunks before and after the data. */
  readonly before?: readonly Buffer[];
  readonly after?: readonly Buffer[];
}

export function pngChunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const framed = Buffer.alloc(8 + body.length);
  framed.writeUInt32BE(data.length, 0);
  framed.set(body, 4);
  framed.writeUInt32BE(crc32(body), 4 + body.length);
  return framed;
}

export function png({ width, height, depth = 8, colour = GREY, interlaced = false, ...parts }: PngParts): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colour, 0, 0, interlaced ? 1 : 0], 8);
  const row = 1 + Math.ceil((width * depth * (SAMPLES[colour] ?? 1)) / 8);
  // Each pass of an interlaced picture has rows of its own: a little more than one row of all.
  const bytes = interlaced ? row * height + 16 * (width + height) : row * height;
  return Buffer.concat([
    SIGNATURE,
    pngChunk('IHDR', header),
    ...(parts.before ?? []),
    pngChunk('IDAT', parts.data ?? deflatedZeros(bytes)),
    ...(parts.after ?? []),
    pngChunk('IEND', Buffer.alloc(0)),
  ]);
}

/** Rows of one grey or one pixel's samples, compressed, of a small picture. */
export function pngRows(height: number, row: Uint8Array): Buffer {
  const rows = Array.from({ length: height }, () => Buffer.concat([Buffer.from([0]), row]));
  return deflateSync(Buffer.concat(rows));
}

const BLOCK = 1 << 20;

/** So many zeros as zlib writes them, without the zeros: a thousandth of them, and one part said over and over. */
export function deflatedZeros(bytes: number): Buffer {
  const whole = Math.floor(bytes / BLOCK);
  const part = deflateRawSync(Buffer.alloc(BLOCK), { level: 9, finishFlush: constants.Z_FULL_FLUSH });
  const check = Buffer.alloc(4);
  check.writeUInt32BE((((bytes % 65521) << 16) | 1) >>> 0); // Adler-32 of zeros
  return Buffer.concat([
    Buffer.from([0x78, 0xda]),
    ...Array.from({ length: whole }, () => part),
    deflateRawSync(Buffer.alloc(bytes % BLOCK), { level: 9 }),
    check,
  ]);
}

/** A text, a colour profile or another chunk that inflates to so many zeros. */
export function pngInflating(type: 'zTXt' | 'iCCP' | 'iTXt', bytes: number): Buffer {
  const name = Buffer.from(type === 'iTXt' ? 'Comment\0\x01\0\0\0' : 'Comment\0\0', 'latin1');
  return pngChunk(type, Buffer.concat([name, deflatedZeros(bytes)]));
}
