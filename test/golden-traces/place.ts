import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { type Dataset, openDataset } from '../../src/data/dataset.js';
import type { CreateOptions } from '../../src/model/create.js';
import { ResNet50 } from '../../src/model/resnet50.js';
import { native } from '../../src/native/load.js';
import { newModel } from '../native/support/sessions.js';
import { PICTURE, pictureBytes, weightValues } from '../parity/recipe.js';
import { type Tensor, writeTensors } from '../parity/safetensors.js';

/** Images of each class; unequal, so that a mistake about classes or the last batch shows. */
const IMAGES = { train: [4, 4, 3], val: [2, 1, 2] } as const;

const classes = ['class 0', 'class 1', 'class 2'];

/**
 * What every trace is made from, in one folder: pictures without loss and weights, both from an integer hash. Nothing of
 * it depends on a decoder's arithmetic or on how a library draws its random numbers.
 */
export interface Place {
  readonly root: string;
  /** With `train/` and `val/`. */
  readonly pictures: string;
  /** All tensors but the head, float32. */
  readonly weights: string;
}

export async function makePlace(root: string): Promise<Place> {
  // Threads that wait for each other cost more than they bring at this size.
  native().setThreads(1);
  const place = { root, pictures: join(root, 'pictures'), weights: join(root, 'weights.safetensors') };
  await writePictures(place.pictures);
  writeWeights(place.weights);
  process.env.RESNET_TORCH_CACHE = join(root, 'cache');
  return place;
}

async function writePictures(folder: string): Promise<void> {
  let stream = 0;
  for (const [part, counts] of Object.entries(IMAGES)) {
    for (const [label, count] of counts.entries()) {
      const at = join(folder, part, classes[label] ?? '');
      await mkdir(at, { recursive: true });
      for (let i = 0; i < count; i++) {
        const pixels = sharp(pictureBytes(stream++), { raw: { ...PICTURE, channels: 3 } });
        await pixels.png().toFile(join(at, `${i}.png`));
      }
    }
  }
  await writeFile(join(folder, 'train', 'class 1', 'broken.png'), 'no picture');
}

function writeWeights(path: string): void {
  const model = newModel({ seed: 0 });
  const tensors: Record<string, Tensor> = {};
  for (const [position, { name, shape }] of model.tensors().entries()) {
    if (name.startsWith('fc.')) continue;
    tensors[name] = { shape, values: Float32Array.from(weightValues(name, shape, position)) };
  }
  model.dispose();
  writeTensors(path, tensors);
}

export function openPictures({ pictures }: Place): Promise<Dataset> {
  return openDataset(pictures, { skipCorrupt: true, workers: 1 });
}

/** A float64 model with the weights of the place, its head too. */
export async function makeModel({ weights }: Place, options: Partial<CreateOptions> = {}): Promise<ResNet50> {
  const model = await ResNet50.create({ classes, weights, device: 'cpu', dtype: 'float64', ...options });
  for (const [position, { name, shape }] of model.handle.tensors().entries()) {
    if (!name.startsWith('fc.')) continue;
    const values = weightValues(name, shape, position);
    await model.handle.write(name, model.dtype === 'float64' ? values : Float32Array.from(values));
  }
  return model;
}
