/** Components by their sampling factors: `[[1, 1]]` is grey, `[[2, 2], [1, 1], [1, 1]]` is 4:2:0. */
export type Sampling = readonly (readonly [horizontal: number, vertical: number])[];

export const GREY: Sampling = [[1, 1]];
export const HALVED: Sampling = [
  [2, 2],
  [1, 1],
  [1, 1],
];
export const FOUR: Sampling = [
  [1, 1],
  [1, 1],
  [1, 1],
  [1, 1],
];

export interface JpegParts {
  readonly width: number;
  readonly height: number;
  readonly sampling?: Sampling;
  /** Segments after the start marker. */
  readonly before?: readonly Buffer[];
}

export function jpegSegment(marker: number, body: Uint8Array): Buffer {
  const segment = Buffer.alloc(4 + body.length);
  segment.set([0xff, marker]);
  segment.writeUInt16BE(2 + body.length, 2);
  segment.set(body, 4);
  return segment;
}

export const exifSegment = (tiff: Uint8Array): Buffer =>
  jpegSegment(0xe1, Buffer.concat([Buffer.from('Exif\0\0', 'latin1'), tiff]));

const START = Buffer.from([0xff, 0xd8]);
const END = Buffer.from([0xff, 0xd9]);
const ONES = jpegSegment(0xdb, Buffer.concat([Buffer.from([0]), Buffer.alloc(64, 1)]));

/** A Huffman table of one code, the bit 0. */
const singleCode = (table: number, symbol: number): Buffer =>
  jpegSegment(0xc4, Buffer.from([table, 1, ...Array(15).fill(0), symbol]));

function frame(marker: number, { width, height, sampling = GREY }: JpegParts): Buffer {
  const components = sampling.flatMap(([h, v], i) => [i + 1, (h << 4) | v, 0]);
  return jpegSegment(
    marker,
    Buffer.from([8, height >> 8, height & 255, width >> 8, width & 255, sampling.length, ...components]),
  );
}

function scan(components: readonly number[], from: number, to: number, approximation: number): Buffer {
  const body = [components.length, ...components.flatMap((i) => [i + 1, 0]), from, to, approximation];
  return jpegSegment(0xda, Buffer.from(body));
}

/** Blocks of all components in all of a picture's MCUs. */
function blocksOf({ width, height, sampling = GREY }: JpegParts): number {
  const [across, down] = [0, 1].map((axis) => Math.max(...sampling.map((factors) => factors[axis] ?? 1)));
  const units = Math.ceil(width / (8 * (across ?? 1))) * Math.ceil(height / (8 * (down ?? 1)));
  // One component alone is not padded to whole MCUs.
  return sampling.length === 1
    ? Math.ceil(width / 8) * Math.ceil(height / 8)
    : units * sampling.reduce((sum, [h, v]) => sum + h * v, 0);
}

/** A baseline JPEG of one grey (or of whatever zeros are in its colours), two bits a block. */
export function jpeg(parts: JpegParts): Buffer {
  const { sampling = GREY, before = [] } = parts;
  const all = sampling.map((_, i) => i);
  const data = Buffer.alloc(Math.ceil(blocksOf(parts) / 4));
  const tables = [singleCode(0x00, 0), singleCode(0x10, 0)];
  return Buffer.concat([START, ...before, ONES, frame(0xc0, parts), ...tables, scan(all, 0, 63, 0), data, END]);
}

/** Headers that promise a picture, of any kind of frame, and a few bytes of data. */
export function jpegPromise(parts: JpegParts, marker: number): Buffer {
  const { sampling = GREY, before = [] } = parts;
  const all = sampling.map((_, i) => i);
  const tables = [singleCode(0x00, 0), singleCode(0x10, 0)];
  const to = marker === 0xc2 ? 0 : 63;
  return Buffer.concat([
    START,
    ...before,
    ONES,
    frame(marker, parts),
    ...tables,
    scan(all, 0, to, 0),
    Buffer.alloc(64),
    END,
  ]);
}

/** A progressive JPEG: its DC, and then one and the same AC scan so many times. A run of 32,767 blocks takes 15 bits. */
export function progressiveJpeg(parts: JpegParts, scans: number): Buffer {
  const grey = { ...parts, sampling: GREY };
  const dc = Buffer.alloc(Math.ceil(blocksOf(grey) / 8));
  const ac = Buffer.concat([scan([0], 1, 63, 0), endOfBlocks(blocksOf(grey))]);
  return Buffer.concat([
    START,
    ...(parts.before ?? []),
    ONES,
    frame(0xc2, grey),
    singleCode(0x00, 0),
    scan([0], 0, 0, 0),
    dc,
    singleCode(0x10, 0xe0),
    ...Array.from({ length: scans - 1 }, () => ac),
    END,
  ]);
}

/** So many empty blocks, in runs of 2^14 and more; the last run reaches beyond them. */
function endOfBlocks(blocks: number): Buffer {
  const bits: number[] = [];
  for (let left = blocks; left > 0; left -= 32767) {
    const extra = Math.max(Math.min(left, 32767) - (1 << 14), 0);
    bits.push(0);
    for (let bit = 13; bit >= 0; bit--) bits.push((extra >> bit) & 1);
  }
  while (bits.length % 8 !== 0) bits.push(1);
  const bytes: number[] = [];
  for (let at = 0; at < bits.length; at += 8) {
    const byte = bits.slice(at, at + 8).reduce((value, bit) => (value << 1) | bit, 0);
    bytes.push(byte);
    if (byte === 0xff) bytes.push(0); // stuffing
  }
  return Buffer.from(bytes);
}
