import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import sharp from 'sharp';

const COLOURS = [
  { r: 210, g: 40, b: 40 },
  { r: 40, g: 60, b: 210 },
  { r: 60, g: 190, b: 60 },
];

/** A JPEG of one colour with a light corner; images of a class differ in `variant`, those of its folders in `shade`. */
export async function writeImage(path: string, label: number, variant: number, side = 40, shade = 0): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const corner = {
    create: { width: 10, height: 8 + variant, channels: 3, background: { r: 250, g: 9 * variant, b: 90 + 20 * shade } },
  } as const;
  const background = COLOURS[label % COLOURS.length] ?? { r: 0, g: 0, b: 0 };
  await sharp({ create: { width: side, height: side, channels: 3, background } })
    .composite([{ input: await sharp(corner).png().toBuffer(), left: variant, top: variant }])
    .jpeg()
    .toFile(path);
}

/** Images in class folders below `root`, such as `{ 'train/ants': 4 }`; the class's colour goes by its last name's place. */
export async function writeFolders(root: string, counts: Readonly<Record<string, number>>): Promise<void> {
  const names = [...new Set(Object.keys(counts).map((folder) => folder.split('/').at(-1) ?? folder))].sort();
  for (const [shade, [folder, count]] of Object.entries(counts).entries()) {
    const label = names.indexOf(folder.split('/').at(-1) ?? folder);
    for (let i = 0; i < count; i++) await writeImage(join(root, folder, `photo ${i}.jpg`), label, i, 40, shade);
  }
}
