export interface GifParts {
  /** Of the screen. */
  readonly width: number;
  readonly height: number;
  /** Of the frame. Default: the screen's. */
  readonly frame?: { readonly width: number; readonly height: number };
  /** How often the frame is said. Default 1. */
  readonly frames?: number;
  /** The colour of every pixel, 0 to 3; the table has two. Default 0. */
  readonly index?: number;
  /** Whether the pixels are there. Default true; without them a few bytes stand in their place. */
  readonly whole?: boolean;
}

/** A GIF of two colours without compression: a clear code before every two pixels, so that codes keep three bits. */
export function gif({
  width,
  height,
  frame = { width, height },
  frames = 1,
  index = 0,
  whole = true,
}: GifParts): Buffer {
  const head = Buffer.from('474946383961000000008000000000ffc84020', 'hex');
  const screen = Buffer.concat([head.subarray(0, 13), Buffer.from('c840202040c8', 'hex')]);
  screen.writeUInt16LE(width, 6);
  screen.writeUInt16LE(height, 8);
  const descriptor = Buffer.from('2c000000000000000000', 'hex');
  descriptor.writeUInt16LE(frame.width, 5);
  descriptor.writeUInt16LE(frame.height, 7);
  const data = whole ? codes(frame.width * frame.height, index) : Buffer.from('4401', 'hex');
  const blocks: Buffer[] = [];
  for (let at = 0; at < data.length; at += 255) {
    const block = data.subarray(at, at + 255);
    blocks.push(Buffer.from([block.length]), block);
  }
  const picture = Buffer.concat([descriptor, Buffer.from([2]), ...blocks, Buffer.from([0])]);
  return Buffer.concat([screen, ...Array.from({ length: frames }, () => picture), Buffer.from([0x3b])]);
}

function codes(pixels: number, index: number): Buffer {
  const values: number[] = [];
  for (let left = pixels; left > 0; left -= 2) values.push(4, index, ...(left > 1 ? [index] : []));
  values.push(5);
  const bytes = Buffer.alloc(Math.ceil((values.length * 3) / 8));
  for (const [i, value] of values.entries()) {
    for (let bit = 0; bit < 3; bit++) {
      const at = i * 3 + bit;
      bytes[at >> 3] = (bytes[at >> 3] ?? 0) | (((value >> bit) & 1) << (at & 7));
    }
  }
  return bytes;
}
