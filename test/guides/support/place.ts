import { cp, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { ResNet50 } from '../../../src/model/resnet50.js';
import { writeFolders } from '../../cli/support/images.js';
import { temporaryDirectory } from '../../support/paths.js';

export const CLASSES = ['ant', 'bee'];

/** A folder with what the guides speak of: `data/bees` with drawn images, and `photo.jpg`. */
export async function placeWithImages(t: TestContext): Promise<string> {
  const folder = await temporaryDirectory(t);
  await writeFolders(join(folder, 'data', 'bees'), { 'train/ant': 4, 'train/bee': 4, 'val/ant': 2, 'val/bee': 2 });
  await cp(join(folder, 'data', 'bees', 'val', 'bee', 'photo 1.jpg'), join(folder, 'photo.jpg'));
  return folder;
}

/** A run directory, as far as prediction reads one. */
export async function writeRun(folder: string): Promise<void> {
  await mkdir(join(folder, 'runs', 'bees'), { recursive: true });
  using model = await ResNet50.create({ classes: CLASSES, weights: 'none', device: 'cpu' });
  const transform = { imageSize: 32, resize: 36, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const;
  await model.save(join(folder, 'runs', 'bees', 'best.safetensors'), { transform });
}
