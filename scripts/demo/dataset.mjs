import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { drawShape, shapes } from './draw.mjs';
import { seededRandom } from './random.mjs';

/** Images a class. `unseen` has no class folders: its files are named by what they show. */
export const counts = { train: 200, val: 25, unseen: 4 };

/**
 * Writes `train/CLASS/NNN.jpg`, `val/CLASS/NNN.jpg` and `unseen/CLASS-NNN.jpg`.
 *
 * @param {string} folder
 */
export async function makeDataset(folder) {
  const random = seededRandom(20);
  for (const [split, count] of Object.entries(counts)) {
    for (const shape of shapes) {
      const place = split === 'unseen' ? join(folder, split) : join(folder, split, shape);
      await mkdir(place, { recursive: true });
      for (let i = 0; i < count; i++) {
        const name = `${String(i).padStart(3, '0')}.jpg`;
        await writeFile(join(place, split === 'unseen' ? `${shape}-${name}` : name), await drawShape(shape, random));
      }
    }
  }
}
