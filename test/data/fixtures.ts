import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { openLoader, type PassOptions } from '../../src/data/loader.js';
import { native } from '../../src/native/load.js';

/** A smooth picture, different in every corner, as raw RGB. */
export function picture(width: number, height: number): Uint8Array {
  const pixels = new Uint8Array(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = (y * width + x) * 3;
      pixels[at] = Math.round((255 * x) / width);
      pixels[at + 1] = Math.round((255 * y) / height);
      pixels[at + 2] = Math.round(127 + 120 * Math.sin(x / 5 + (y * y) / 400));
    }
  }
  return pixels;
}

export function pictureImage(width: number, height: number): Sharp {
  return sharp(picture(width, height), { raw: { width, height, channels: 3 } });
}

/** One colour, in the format of the file's extension. */
export async function writeColour(path: string, colour: string, width = 40, height = 32): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await sharp({ create: { width, height, channels: 3, background: colour } }).toFile(path);
  return path;
}

/** A JPEG with a comment: another file, the same picture. */
export function withComment(jpeg: Buffer, text: string): Buffer {
  const comment = Buffer.from(text);
  const header = Buffer.from([0xff, 0xfe, (comment.length + 2) >> 8, (comment.length + 2) & 0xff]);
  return Buffer.concat([jpeg.subarray(0, 2), header, comment, jpeg.subarray(2)]);
}

/** Folders of small JPEGs, no two files equal: `{ 'train/cat': 3 }` makes train/cat/0.jpg to 2.jpg. */
export async function writeFolders(root: string, counts: Readonly<Record<string, number>>): Promise<string> {
  const jpeg = await pictureImage(40, 32).jpeg().toBuffer();
  for (const [folder, count] of Object.entries(counts)) {
    await mkdir(join(root, folder), { recursive: true });
    for (let i = 0; i < count; i++) {
      await writeFile(join(root, folder, `${i}.jpg`), withComment(jpeg, `${folder} ${i}`));
    }
  }
  return root;
}

export type ViewOptions = Partial<Omit<PassOptions, 'files' | 'crop'>> & {
  readonly crop?: Partial<PassOptions['crop']>;
};

/** The views of files, in their order, each [size × size × 3]. */
export async function views(
  paths: readonly string[],
  { crop, ...options }: ViewOptions = {},
): Promise<readonly Uint8Array[]> {
  const size = crop?.size ?? 64;
  const files = new (native().FileList)(paths, new Int32Array(paths.length));
  const loader = openLoader({
    files,
    crop: { kind: 'center', size, resize: size, scale: [0.08, 1], ratio: [3 / 4, 4 / 3], flip: 0, ...crop },
    batchSize: paths.length,
    epoch: 0,
    seed: 1,
    training: false,
    ...options,
  });
  try {
    const batch = await loader.next('uint8');
    if (batch === null) return [];
    const bytes = size * size * 3;
    return paths.map((_, i) => (batch.images as Uint8Array).subarray(i * bytes, (i + 1) * bytes));
  } finally {
    loader.dispose();
    files.dispose();
  }
}

export function meanDifference(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) throw new Error(`${a.length} bytes against ${b.length}`);
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.abs((a[i] ?? 0) - (b[i] ?? 0));
  return sum / a.length;
}

/** Red, green and blue in the middle of a view. */
export function middle(view: Uint8Array | undefined): readonly number[] {
  if (view === undefined) return [];
  const side = Math.round(Math.sqrt(view.length / 3));
  const at = (Math.floor(side / 2) * side + Math.floor(side / 2)) * 3;
  return [...view.subarray(at, at + 3)];
}

export function isNear(values: readonly number[], wanted: readonly number[], tolerance: number): boolean {
  return values.length === wanted.length && values.every((value, i) => Math.abs(value - (wanted[i] ?? 0)) <= tolerance);
}
